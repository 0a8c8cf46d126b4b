"""The figures of a campaign: rows for build/chaos.json and a table for people."""

from __future__ import annotations

import os
from typing import Any

from chaos_kit.judging import Verdict
from chaos_kit.standstills import in_the_way, in_words, slowest
from chaos_kit.weather import Weather

RESUME_TARGET = 10.0


def figures(verdict: Verdict, weather: Weather) -> list[dict[str, Any]]:
    """Returns the rows, in the form that every benchmark writes."""
    kills = weather.counts.get("worker killed", 0)
    resumed = sorted(weather.take_overs.seconds)
    p99 = _share(resumed, 0.99)
    stood = weather.take_overs.standstills
    alone = sorted(one.resumed for one in stood if one.resumed and not in_the_way(one, weather.spans))
    # Without a single one nothing was measured.
    in_time = bool(resumed) and p99 <= RESUME_TARGET
    hit = sum(len(death.calls) for death in weather.deaths)
    lost = len(verdict.lost) + len(verdict.ended_otherwise) + len(verdict.missing)
    return [
        _row("worker kills under load", "kills", kills, "said", None),
        _row("runs accepted", "runs", verdict.accepted, "said", None),
        _row("runs lost or ended otherwise", "runs", lost, "0", lost == 0),
        _row("effects doubled", "effects", len(verdict.doubled), "0", not verdict.doubled),
        _row("calls in flight at a manager's or tool's death", "calls", hit, "said", None),
        _row("effects parked as uncertain", "effects", verdict.uncertain, "no more than those", None),
        _row(
            "uncertain without a death that hit this very call",
            "effects",
            len(verdict.unmatched),
            "0",
            not verdict.unmatched,
        ),
        _row(
            "runs of killed workers never resumed",
            "runs",
            len(weather.take_overs.never),
            "0",
            not weather.take_overs.never,
        ),
        _row("runs held by a worker when it was killed", "runs", len(resumed), "more than 0", bool(resumed)),
        _row("resumed after a kill, median", "s", round(_share(resumed, 0.5), 2), "said", None),
        _row("resumed after a kill, p99", "s", round(p99, 2), f"<= {RESUME_TARGET:g} s", in_time),
        _row(
            "the same with no other fault in the way, p99", "s", round(_share(alone, 0.99), 2), "said", None
        ),
    ]


def _share(ordered: list[float], share: float) -> float:
    """Returns the value below which this share of all lies; 0 when there is none."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


def _row(name: str, unit: str, ours: float, target: str, met: bool | None) -> dict[str, Any]:
    peer = {"peer": None, "peer_name": "", "ratio": None}
    return {"name": name, "unit": unit, "ours": ours, **peer, "target": target, "met": met}


def show(verdict: Verdict, weather: Weather, rows: list[dict[str, Any]], seconds: float) -> None:
    """Prints what was done and what came of it."""
    busy = ", ".join(f"{load:.0f}" for load in os.getloadavg())
    print(f"\nWhat was done in {seconds:.0f} s on {os.cpu_count()} cores (load averages now: {busy}):")
    for name, count in sorted(weather.counts.items()):
        print(f"  {count:5} x {name}")
    for statement, count in sorted(weather.proxy.faults.lost.items()):
        print(f"  {count:5} replies of {statement} lost after it had taken effect")
    print(f"  {weather.proxy.faults.cut_connections:5} connections cut")
    for what, count in sorted(weather.seen.items()):
        print(f"  {count:5} {what}")
    print(f"  {weather.deployment.revived:5} services ended by themselves and were started again")
    hits = sum(bool(death.calls) for death in weather.deaths)
    print(f"  {hits:5} of {len(weather.deaths)} deaths of mcp-manager and tools hit a call in flight")
    print("What came of it:")
    for row in rows:
        met = {True: "met", False: "MISSED", None: ""}[row["met"]]
        print(f"  {row['ours']:>8} {row['unit']:<8} {row['name']} ({row['target']}) {met}")
    problems = [*verdict.lost, *verdict.doubled, *verdict.missing, *verdict.unmatched]
    problems += [f"{run}: {why}" for run, why in verdict.ended_otherwise.items()]
    print("The runs of killed workers that stood still for longest:")
    for one in slowest(weather.take_overs.standstills, 12):
        print(f"  {in_words(one, weather.spans)}")
    for problem in problems[:20]:
        print(f"  ! {problem}")
