"""What a reflector does next when a list or a watch has ended: a decision over how it ended."""

from __future__ import annotations

from dataclasses import dataclass

from quarterdeck.controller.api.errors import (
    ApiError,
    Forbidden,
    Gone,
    NotFound,
    ServerTrouble,
    TooManyRequests,
    Unreachable,
)
from quarterdeck.controller.api.resource import Resource
from quarterdeck.controller.backoff import Backoff

# A server that is back is found within 15 s, by chance a little sooner or later than by others.
BACKOFF = Backoff(first=0.2, most=10.0)
# A watch that ends sooner and told nothing did not work, whatever it says.
SHORTEST_WATCH = 1.0
# One that broke may have waited for its connection for as long.
SHORTEST_BROKEN_WATCH = 30.0
PAGE_BYTES = 1_000_000
PAGE_LEAST, PAGE_MOST = 50, 500


@dataclass(frozen=True, slots=True)
class Ending:
    """How a list or watch ended.

    Attributes:
        error: None if it ended as it should.
        lasted: seconds.
        told: whether a watch brought anything, be it a bookmark.
    """

    error: ApiError | None
    lasted: float
    told: bool


@dataclass(frozen=True, slots=True)
class Step:
    """What is next: a list or a watch from where the last one ended, after `wait` seconds."""

    relist: bool
    wait: float
    failures: int


def is_passing(error: ApiError | None) -> bool:
    """True if the server was away or too busy, which says nothing about where a watch may go on."""
    return error is None or isinstance(error, Unreachable | ServerTrouble | TooManyRequests)


def next_step(ending: Ending, failures: int, backoff: Backoff = BACKOFF, *, was_away: bool = False) -> Step:
    """Decides what follows.

    Only a forgotten version, or a refusal that the list will explain, costs a new list; a lost connection
    goes on where it was. Failures in a row wait longer and longer; a watch that worked ends the row.

    Args:
        failures: in a row, before this one.
        was_away: the one before this was of a server that was away or too busy. That it has forgotten our
            version meanwhile is an answer, and ends that row.
    """
    worked = ending.told or ending.lasted >= (SHORTEST_BROKEN_WATCH if ending.error else SHORTEST_WATCH)
    if ending.error is None and worked:
        return Step(relist=False, wait=0.0, failures=0)
    error = ending.error
    back = was_away and isinstance(error, Gone)
    failures = 1 if worked or back else failures + 1
    if isinstance(error, Gone):
        # The first list comes at once: nothing is wrong with the server, we were only away.
        return Step(relist=True, wait=backoff.delay(failures - 1), failures=failures)
    wait = backoff.delay(failures)
    if error is not None and error.retry_after is not None:
        wait = max(wait, error.retry_after)
    return Step(relist=not is_passing(error), wait=wait, failures=failures)


def explained(resource: Resource, error: ApiError) -> str:
    """Returns why a list or watch failed, with the resource's name and what to do about it."""
    if isinstance(error, NotFound):
        return f"{resource}: not served as {resource.api_version}; is its CRD installed, and new enough?"
    if isinstance(error, Forbidden):
        return f"{resource}: {error}; grant get, list and watch"
    return f"{resource}: {error}"


def next_limit(limit: int, size: int, count: int) -> int:
    """Returns how many objects to ask for next, so that parsing a page does not hold everybody up.

    Args:
        limit: of the last page; size: its bytes; count: its objects.
    """
    if not count:
        return limit
    fitting = int(PAGE_BYTES / max(1.0, size / count))
    return max(PAGE_LEAST, min(PAGE_MOST, fitting))
