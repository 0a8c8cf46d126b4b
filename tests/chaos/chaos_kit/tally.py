"""The figures of campaigns: rows for build/chaos.json and a table for people."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from chaos_kit.judging import Verdict
from chaos_kit.records import Record
from chaos_kit.standstills import in_words, slowest
from chaos_kit.weather import Weather

RESUME_TARGET = 10.0


def figures(record: Record) -> list[dict[str, Any]]:
    """Returns the rows, in the form that every benchmark writes."""
    resumed, undisturbed = sorted(record.resumed), sorted(record.undisturbed)
    p99 = _share(resumed, 0.99)
    return [
        _said("worker kills under load", "kills", record.done["worker killed"]),
        _said("runs accepted", "runs", record.accepted),
        _none("runs lost or ended otherwise", "runs", record.lost),
        _none("runs set aside as poison", "runs", record.quarantined),
        _none("effects doubled", "effects", record.doubled),
        _said("calls in flight at a manager's or tool's death", "calls", record.calls),
        _row("effects parked as uncertain", "effects", record.uncertain, "no more than those", None),
        _none("uncertain without a death that hit this very call", "effects", record.unmatched),
        _none("runs of killed workers never resumed", "runs", record.never),
        # Without a single one nothing was measured.
        _row("runs held by a worker when it was killed", "runs", len(resumed), "more than 0", bool(resumed)),
        _said("resumed after a kill, median", "s", _share(resumed, 0.5)),
        _row(
            "resumed after a kill, p99",
            "s",
            p99,
            f"<= {RESUME_TARGET:g} s",
            bool(resumed) and p99 <= RESUME_TARGET,
        ),
        _said("the same with no other fault in the way, p99", "s", _share(undisturbed, 0.99)),
    ]


def _share(ordered: list[float], share: float) -> float:
    """Returns the value below which this share of all lies; 0 when there is none."""
    return round(ordered[min(len(ordered) - 1, int(len(ordered) * share))], 2) if ordered else 0.0


def _said(name: str, unit: str, ours: float) -> dict[str, Any]:
    return _row(name, unit, ours, "said", None)


def _none(name: str, unit: str, ours: int) -> dict[str, Any]:
    return _row(name, unit, ours, "0", ours == 0)


def _row(name: str, unit: str, ours: float, target: str, met: bool | None) -> dict[str, Any]:
    peer = {"peer": None, "peer_name": "", "ratio": None}
    return {"name": name, "unit": unit, "ours": ours, **peer, "target": target, "met": met}


def show(record: Record) -> None:
    """Prints what was done and what came of it."""
    seeds = ", ".join(map(str, record.seeds))
    busy = f"{min(record.loads):.0f} to {max(record.loads):.0f}" if record.loads else "not noted"
    print(
        f"\nSeeds {seeds}: what was done in {record.seconds:.0f} s on {os.cpu_count()} cores (load {busy}):"
    )
    for what, count in [*sorted(record.done.items()), *sorted(record.seen.items())]:
        print(f"  {count:5} x {what}")
    print(f"  {record.hits:5} of {record.deaths} deaths of mcp-manager and tools hit a call in flight")
    for claims, count in sorted(record.claims.items()):
        print(f"  {count:5} runs were held at a kill with {claims} claims without progress")
    print("What came of it:")
    for row in figures(record):
        met = {True: "met", False: "MISSED", None: ""}[row["met"]]
        print(f"  {row['ours']:>8} {row['unit']:<8} {row['name']} ({row['target']}) {met}")


def show_worst(verdict: Verdict, weather: Weather) -> None:
    """Prints the runs that stood still for longest, and what is wrong."""
    print("The runs of killed workers that stood still for longest:")
    for one in slowest(weather.take_overs.standstills, 12):
        print(f"  {in_words(one, weather.spans)}")
    for problem in _problems(verdict)[:20]:
        print(f"  ! {problem}")


def _problems(verdict: Verdict) -> Sequence[str]:
    ended = [f"{run}: {why}" for run, why in verdict.ended_otherwise.items()]
    return [*verdict.lost, *verdict.doubled, *verdict.missing, *verdict.unmatched, *ended]
