"""Answers of the API server, kept for a moment: for seconds as they are, for minutes while it is away."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from quarterdeck.common.errors import Unavailable
from quarterdeck.controller.api.errors import ApiError, Forbidden

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

# Seconds that an answer is not asked for again, and that it still counts while nobody answers.
FRESH, STANDING = 10.0, 900.0
# Seconds that the API server has: somebody waits at the door.
PATIENCE = 3.0
# So many answers are kept.
KEPT = 4096


class Answers(Generic[K, V]):
    """Answers by question, each with the time when it was asked for.

    Args:
        clock: seconds that only grow.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._known: OrderedDict[K, tuple[float, V]] = OrderedDict()

    def put(self, question: K, answer: V, asked_at: float) -> None:
        """Keeps an answer."""
        self._known[question] = (asked_at, answer)
        self._known.move_to_end(question)
        while len(self._known) > KEPT:
            self._known.popitem(last=False)

    def drop(self, question: K) -> None:
        """Forgets an answer."""
        self._known.pop(question, None)

    def get(self, question: K, seconds: float) -> V | None:
        """Returns an answer that is no older than so many seconds."""
        asked_at, answer = self._known.get(question, (float("-inf"), None))
        return answer if self._clock() - asked_at <= seconds else None


class Unanswered(Exception):
    """The API server could not be asked, which is no denial. `error` is for the caller."""

    def __init__(self, error: Unavailable) -> None:
        super().__init__(error.message)
        self.error = error


async def asked(question: Awaitable[V], permission: str) -> V:
    """Waits for an answer of the API server, for as long as somebody at the door may wait.

    Args:
        permission: what the gateway's account needs to ask this.

    Raises:
        Unanswered: there is none.
    """
    try:
        async with asyncio.timeout(PATIENCE):
            return await question
    except Forbidden as error:
        hint = f"give the gateway's account permission to {permission}"
        raise Unanswered(_away(error.message, hint)) from None
    except (ApiError, TimeoutError) as error:
        hint = "try again; calls that were allowed a moment ago go on"
        raise Unanswered(_away(str(error) or f"no answer within {PATIENCE:g} s", hint)) from None


def _away(why: str, hint: str) -> Unavailable:
    return Unavailable(
        f"the Kubernetes API server cannot be asked who may come in: {why}",
        hint=hint,
        reason="ApiServerUnavailable",
        retry_after=2,
    )
