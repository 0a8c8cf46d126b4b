"""What one campaign did and what came of it, as plain data: campaigns add up, and are kept a line each."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from chaos_kit.judging import Verdict
from chaos_kit.standstills import in_the_way
from chaos_kit.weather import Weather


@dataclass(slots=True)
class Record:
    """One campaign, or several.

    Attributes:
        seconds: how long it took.
        loads: the machine's load average at each fault.
        done: how often each fault happened.
        seen: what proves that faults took hold, counted.
        lost: runs that were lost, ended otherwise than they should, or left no entry.
        deaths: of mcp-manager and tools; `hits` of them hit `calls` in flight.
        resumed: seconds until each run that a killed worker held went on; `undisturbed`: of those with no
            other fault in the way.
        claims: how many runs a killed worker held by how many claims without progress they had had.
    """

    seeds: list[int] = field(default_factory=list)
    seconds: float = 0.0
    loads: list[float] = field(default_factory=list)
    done: Counter[str] = field(default_factory=Counter)
    seen: Counter[str] = field(default_factory=Counter)
    accepted: int = 0
    lost: int = 0
    quarantined: int = 0
    doubled: int = 0
    uncertain: int = 0
    unmatched: int = 0
    deaths: int = 0
    hits: int = 0
    calls: int = 0
    never: int = 0
    resumed: list[float] = field(default_factory=list)
    undisturbed: list[float] = field(default_factory=list)
    claims: Counter[str] = field(default_factory=Counter)

    def __add__(self, other: Record) -> Record:
        """Returns both together."""
        mine, theirs = self.values(), other.values()
        return Record(**{name: mine[name] + theirs[name] for name in mine})

    def values(self) -> dict[str, Any]:
        """Returns its fields by name."""
        return {one.name: getattr(self, one.name) for one in fields(self)}


def record_of(verdict: Verdict, weather: Weather, seed: int, seconds: float) -> Record:
    """Returns the record of a campaign that has ended."""
    stood, deaths, faults = weather.take_overs.standstills, weather.deaths, weather.proxy.faults
    seen = Counter(
        {f"replies of {name} lost after it had taken effect": n for name, n in faults.lost.items()}
    )
    seen += Counter({f"workers started again {how}": n for how, n in weather.deployment.started.items()})
    seen["connections cut"] += faults.cut_connections
    seen["services ended by themselves and were started again"] += weather.deployment.revived
    alone = [one.resumed for one in stood if one.resumed and not in_the_way(one, weather.spans)]
    return Record(
        seeds=[seed],
        seconds=seconds,
        loads=weather.loads,
        done=Counter(weather.counts),
        seen=seen + weather.seen,
        accepted=verdict.accepted,
        lost=len(verdict.lost) + len(verdict.ended_otherwise) + len(verdict.missing),
        quarantined=len(verdict.quarantined),
        doubled=len(verdict.doubled),
        uncertain=verdict.uncertain,
        unmatched=len(verdict.unmatched),
        deaths=len(deaths),
        hits=sum(bool(death.calls) for death in deaths),
        calls=sum(len(death.calls) for death in deaths),
        never=len(weather.take_overs.never),
        resumed=weather.take_overs.seconds,
        undisturbed=alone,
        claims=Counter(str(one.attempts) for one in stood),
    )


def keep(record: Record, path: Path, *, anew: bool) -> list[Record]:
    """Adds a record to those in a file and returns all of them.

    Args:
        anew: those that are there are forgotten.
    """
    lines = [] if anew or not path.exists() else path.read_text().splitlines()
    lines.append(json.dumps(record.values()))
    path.write_text("\n".join(lines) + "\n")
    return [_read(line) for line in lines]


def _read(line: str) -> Record:
    found = json.loads(line)
    counted = {name: Counter(found[name]) for name in ("done", "seen", "claims")}
    return Record(**{**found, **counted})


def total(records: Sequence[Record]) -> Record:
    """Returns all of them as one."""
    return sum(records, Record())
