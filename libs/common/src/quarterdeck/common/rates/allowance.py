"""An allowance of so many a minute, as a token bucket that holds one minute's worth. Pure.

What is kept of a bucket is one number: its lag, the time after which it is full again. One token adds
`step` to the lag, time takes away from it, and a lag of more than `WINDOW` is not allowed. So a bucket that
nobody has used for a minute is forgotten, and looks like a full one. All times are in microseconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

MICROSECONDS = 1_000_000
WINDOW_SECONDS = 60
WINDOW = WINDOW_SECONDS * MICROSECONDS


@dataclass(frozen=True, slots=True)
class Allowance:
    """So many a minute for whoever `key` names. `scope` is the word for it that callers see."""

    scope: str
    key: str
    per_minute: int

    @property
    def step(self) -> int:
        """The time that one token takes to come back."""
        return WINDOW // self.per_minute


@dataclass(frozen=True, slots=True)
class Level:
    """How an allowance stands.

    Attributes:
        remaining: tokens that are there.
        wait: seconds until there is one; 0 if there is.
        reset: seconds until all are there.
    """

    allowance: Allowance
    remaining: int
    wait: float
    reset: float


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of an attempt to take one of each: all were taken, or none was."""

    granted: bool
    levels: tuple[Level, ...]

    @property
    def wait(self) -> float:
        """Seconds after which it may be tried again; 0 if it was granted."""
        return 0.0 if self.granted else max(level.wait for level in self.levels)

    @property
    def short(self) -> Level | None:
        """Returns what there was too little of; None if it was granted."""
        return None if self.granted else max(self.levels, key=lambda level: level.wait)


def spend(lags: Sequence[int], allowances: Sequence[Allowance]) -> tuple[bool, list[int]]:
    """Takes one of each, or none. Returns whether, and the lags after it. The script does the same."""
    spent = [lag + one.step for lag, one in zip(lags, allowances, strict=True)]
    granted = all(lag <= WINDOW for lag in spent)
    return granted, spent if granted else list(lags)


def taken(granted: bool, lags: Sequence[int], allowances: Sequence[Allowance]) -> Taken:
    """Returns what lags mean."""
    return Taken(granted, tuple(_level(lag, one) for lag, one in zip(lags, allowances, strict=True)))


def _level(lag: int, allowance: Allowance) -> Level:
    over = lag + allowance.step - WINDOW
    return Level(
        allowance,
        remaining=max(0, WINDOW - lag) // allowance.step,
        wait=max(0, over) / MICROSECONDS,
        reset=lag / MICROSECONDS,
    )
