"""Writes that go together: the items of several runs of one worker in one statement, with one fate.

So PostgreSQL does it. What a worker has asked for while a statement was being prepared goes along; when the
reply is lost, it is lost to all of them. A run that somebody else has locked is answered as busy.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from quarterdeck.runtime.starting.beginning import begin_together
from quarterdeck.runtime.store.commits import Committed, Fate
from quarterdeck.runtime.store.together import commit_together

Function = Callable[..., Sequence[Any]]

# What each answers about an item that is not done now because of others, and is to be written by itself.
_FOR_ITSELF: dict[Function, Any] = {commit_together: Committed(Fate.BUSY), begin_together: None}


@dataclass(slots=True)
class Batch:
    """What goes in one statement. `fate`: of all of it, empty if all is well."""

    function: Function
    items: list[Any] = field(default_factory=list)
    answers: list[asyncio.Future[Any]] = field(default_factory=list)
    fate: str = ""

    def add(self, item: Any, answer: asyncio.Future[Any], fate: str) -> None:
        """Takes one more along."""
        self.items.append(item)
        self.answers.append(answer)
        self.fate = self.fate or fate

    def set_aside(self, which: Sequence[bool]) -> list[tuple[asyncio.Future[Any], Any]]:
        """Takes the items out that are not done now; returns who is told what."""
        told = _FOR_ITSELF[self.function]
        aside = [(answer, told) for answer, out in zip(self.answers, which, strict=True) if out]
        self.items = [item for item, out in zip(self.items, which, strict=True) if not out]
        self.answers = [answer for answer, out in zip(self.answers, which, strict=True) if not out]
        return aside

    def write(self, transact: Callable[..., Any]) -> list[Any]:
        """Writes it as one, or each item by itself when it cannot be done as one; returns the results."""
        try:
            return list(transact(self.function, self.items))
        except Exception:
            return [self._alone(transact, item) for item in self.items]

    def _alone(self, transact: Callable[..., Any], item: Any) -> Any:
        try:
            return transact(self.function, [item])[0]
        except Exception as error:
            return error
