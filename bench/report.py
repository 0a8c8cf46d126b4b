"""The one form in which every benchmark reports: a table for people, JSON for whoever checks.

Each benchmark writes build/bench-<name>.json; `collect` joins them into build/bench.json.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

BUILD = Path(__file__).parent.parent / "build"


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure beside its peer, measured in the same run. `target` says what `met` was judged by."""

    name: str
    unit: str
    ours: float
    peer: float | None
    peer_name: str
    ratio: float | None
    target: str
    met: bool | None


def report(name: str, figures: list[Figure]) -> None:
    """Prints the figures and writes them to build/bench-<name>.json."""
    keep(name, figures)
    show(figures)


def keep(name: str, figures: list[Figure]) -> None:
    """Writes the figures to build/bench-<name>.json."""
    BUILD.mkdir(exist_ok=True)
    (BUILD / f"bench-{name}.json").write_text(json.dumps([asdict(f) for f in figures], indent=2) + "\n")


def show(figures: list[Figure]) -> None:
    """Prints a table."""
    rows = [("", "ours", "peer", "", "ratio", "target", ""), *(_cells(figure) for figure in figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        name, ours, peer, who, ratio, target, verdict = (
            cell.ljust(width) for cell, width in zip(row, widths, strict=True)
        )
        numbers = (
            f"{ours.strip():>{widths[1]}}  {peer.strip():>{widths[2]}} {who}  {ratio.strip():>{widths[4]}}"
        )
        print(f"{name}  {numbers}  {target}  {verdict}".rstrip())


def _cells(figure: Figure) -> tuple[str, ...]:
    verdict = {True: "met", False: "MISSED", None: ""}[figure.met]
    peer = f"{figure.peer:.4g} {figure.unit}" if figure.peer is not None else ""
    ratio = f"{figure.ratio:.2f}x" if figure.ratio is not None else ""
    ours = f"{figure.ours:.4g} {figure.unit}"
    return (figure.name, ours, peer, figure.peer_name, ratio, figure.target, verdict)


def collect() -> list[Figure]:
    """Joins what the benchmarks wrote into build/bench.json and returns it."""
    parts = sorted(BUILD.glob("bench-*.json"))
    figures = [Figure(**row) for path in parts for row in json.loads(path.read_text())]
    (BUILD / "bench.json").write_text(json.dumps([asdict(f) for f in figures], indent=2) + "\n")
    return figures


if __name__ == "__main__":
    if sys.argv[1:] != ["collect"]:
        raise SystemExit("usage: python bench/report.py collect")
    show(collect())
