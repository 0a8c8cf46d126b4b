"""Answers in the order in which they are given. Pure but for what was used already."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")


class Script(Generic[T]):
    """Entries, of which the first that fits and was not used yet is next.

    When only one entry fits, it is given each time.
    """

    def __init__(self, entries: Sequence[T]) -> None:
        self._entries = tuple(entries)
        self._used: set[int] = set()

    def next(self, fits: Callable[[T], bool]) -> T | None:
        """Returns the next entry that fits and marks it as used; None if there is none."""
        index = self._find(fits)
        if index is None:
            return None
        self._used.add(index)
        return self._entries[index]

    def peek(self, fits: Callable[[T], bool]) -> T | None:
        """Returns what `next` would return, and marks nothing."""
        index = self._find(fits)
        return None if index is None else self._entries[index]

    def _find(self, fits: Callable[[T], bool]) -> int | None:
        fitting = [index for index, entry in enumerate(self._entries) if fits(entry)]
        if len(fitting) == 1:
            return fitting[0]
        return next((index for index in fitting if index not in self._used), None)

    def is_repeated(self, fits: Callable[[T], bool]) -> bool:
        """True if what comes next is all that will ever come."""
        return sum(fits(entry) for entry in self._entries) == 1
