"""What a run of a killed worker went through until it went on. Pure over what was seen of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

# A fault, and when it began and ended (time.monotonic).
Span = tuple[str, float, float]
# As long without a look, and the database was away (seconds).
BLIND = 1.0


@dataclass(frozen=True, slots=True)
class Look:
    """The run's row in the queue, `at` seconds after the death.

    Attributes:
        company: runs that the least busy living worker holds; 0: somebody is idle.
    """

    at: float
    status: str
    worker: str
    attempts: int
    company: int = 0


@dataclass(slots=True)
class Standstill:
    """One run of one death.

    Attributes:
        died: when the worker was killed (time.monotonic).
        attempts: claims without progress before the death, the dead worker's own among them.
        resumed: seconds from the death until it went on; None: it never did.
        looks: each change that was seen.
        blind: seconds in which the database gave no answer.
        looked: when it was looked at last (seconds after the death).
    """

    run: str
    epoch: int
    attempts: int
    died: float
    resumed: float | None = None
    looks: list[Look] = field(default_factory=list)
    blind: float = 0.0
    looked: float = 0.0

    def see(self, look: Look) -> None:
        """Notes what differs from the look before."""
        gap, self.looked = look.at - self.looked, look.at
        self.blind += gap if gap > BLIND else 0.0
        last = self.looks[-1] if self.looks else None
        if last is None or (last.status, last.worker, last.attempts) != (
            look.status,
            look.worker,
            look.attempts,
        ):
            self.looks.append(look)

    def is_over(self, row: Mapping[str, Any] | None) -> bool:
        """Returns whether a row of the queue says that the run goes on, or needs nobody."""
        return row is None or row["epoch"] > self.epoch or row["status"] in ("parked", "quarantined")


def waited_for(one: Standstill) -> dict[str, float]:
    """Returns how long (seconds) it waited for what: `lease`: for take-over, `turn`: for a claim."""
    freed = next((look.at for look in one.looks if look.status == "ready"), None)
    end = one.resumed if one.resumed is not None else one.looked
    lease = end if freed is None else freed
    return {"lease": lease, "turn": end - lease, "blind": one.blind}


def in_the_way(one: Standstill, spans: Sequence[Span]) -> list[str]:
    """Returns the other faults that happened while it stood still."""
    end = one.died + (one.resumed or one.looked)
    return [name for name, began, ended in spans if began <= end and ended >= one.died]


def in_words(one: Standstill, spans: Sequence[Span]) -> str:
    """Returns one line for people."""
    waits = ", ".join(
        f"{what} {seconds:.1f} s" for what, seconds in waited_for(one).items() if seconds >= 0.05
    )
    company = next((look.company for look in reversed(one.looks) if look.status == "ready"), 0)
    meanwhile = "".join(f"; {name}" for name in in_the_way(one, spans))
    end = "never" if one.resumed is None else f"after {one.resumed:.1f} s"
    return (
        f"{one.run} {end}: {one.attempts} attempts; {waits}; the least busy worker held {company}{meanwhile}"
    )


def slowest(all_of_them: Sequence[Standstill], count: int) -> list[Standstill]:
    """Returns the slowest, those that never went on first."""
    return sorted(all_of_them, key=lambda one: -(one.resumed or 1e9))[:count]
