"""What became of the kills: a table for people, and a file for the record."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from e2e_kit.kills import PLACED, RANDOM, Struck
from e2e_kit.process import REPOSITORY

RECORD = REPOSITORY / "build" / "kills.json"


def table(struck: Sequence[Struck]) -> str:
    """Returns one line for each kill, then the sums."""
    lines = [
        f"{'kill':>4}  {'run':>3}  {'placed':<14}  {'killed':<13}  {'after':>7}  {'booked':>6}  open  ledger"
    ]
    lines += [_line(one) for one in struck]
    lines += [f"{place:<14} {_sum(struck, place)}" for place in (PLACED, RANDOM)]
    return "\n".join(lines)


def _line(one: Struck) -> str:
    killed = f"{one.processes} processes" if one.kill.whole else "main process"
    ledger = "identical" if one.same else one.problem.splitlines()[0]
    return (
        f"{one.kill.number:>4}  {one.run:>3}  {one.kill.place:<14}  {killed:<13}  {one.seconds:>5.1f} s"
        f"  {one.booked:>6}  {one.unrecorded:>4}  {ledger}"
    )


def _sum(struck: Sequence[Struck], place: str) -> str:
    of_place = [one for one in struck if one.kill.place == place]
    return (
        f"{sum(one.same and one.well_placed for one in of_place)} of {len(of_place)} with an identical ledger"
    )


def record(struck: Sequence[Struck], path: Path = RECORD) -> None:
    """Writes the sums in the form of the benchmarks' records."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([_entry(struck, PLACED), _entry(struck, RANDOM)], indent=2) + "\n")


def _entry(struck: Sequence[Struck], place: str) -> dict[str, Any]:
    of_place = [one for one in struck if one.kill.place == place]
    same = sum(one.same and one.well_placed for one in of_place)
    name = {
        PLACED: "kills between commit and outcome, identical ledger",
        RANDOM: "kills at random, identical ledger",
    }
    return {
        "name": name[place],
        "unit": "kills",
        "ours": same,
        "peer": None,
        "peer_name": None,
        "ratio": None,
        "target": len(of_place),
        "met": same == len(of_place),
    }
