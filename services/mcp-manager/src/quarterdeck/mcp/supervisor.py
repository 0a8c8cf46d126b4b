"""When a server that ended may be started again: a pure decision over what happened."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

# Starts in a row that are remembered at most; beyond it the delay has long reached its maximum.
HISTORY = 32


@dataclass(frozen=True, slots=True)
class RestartRule:
    """`spec.restart`: delays in seconds, and how many crashes in a row make a loop."""

    initial_delay: float = 1.0
    max_delay: float = 60.0
    crash_loop_after: int = 5


@dataclass(frozen=True, slots=True)
class Crash:
    """One unwanted end: when (monotonic seconds), how long the server had lived, and why it ended."""

    at: float
    lived: float
    reason: str


@dataclass(frozen=True, slots=True)
class Decision:
    """What the history allows.

    Args:
        not_before: earliest time of the next start (monotonic seconds); 0 when there is nothing to wait for.
        crash_loop: there were too many crashes in a row: until then calls are refused instead of waiting.
        crashes: how many there were in a row.
    """

    not_before: float
    crash_loop: bool
    crashes: int


def next_restart(history: Sequence[Crash], rule: RestartRule, now: float) -> Decision:
    """Decides about the next start. A server that lived longer than the maximum delay begins anew."""
    crashes = _in_a_row(history, rule.max_delay)
    if not crashes or now - history[-1].at > rule.max_delay:
        # Nobody wanted it since: whatever was wrong, one try is due, without the loop's verdict.
        return Decision(0.0, crash_loop=False, crashes=crashes)
    delay = min(rule.initial_delay * 2.0 ** (crashes - 1), rule.max_delay)
    due = history[-1].at + delay
    return Decision(due, crashes >= rule.crash_loop_after, crashes)


def _in_a_row(history: Sequence[Crash], stable: float) -> int:
    """Counts the crashes since the server last lived longer than `stable` seconds."""
    count = 0
    for crash in reversed(history):
        if crash.lived > stable:
            # It had recovered: this crash is the first of the present row.
            return count + 1
        count += 1
    return count
