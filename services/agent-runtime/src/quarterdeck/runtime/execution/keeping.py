"""What is kept in memory because it may be wanted again, within a bound of bytes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Any


class ByteCache:
    """Values with the size of what they were read from; the longest unused go first.

    A value larger than the whole bound is not kept.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._kept: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()
        self.size = 0

    def __len__(self) -> int:
        """How many values are kept."""
        return len(self._kept)

    def get(self, key: Hashable) -> tuple[bool, Any]:
        """Returns (whether it is kept, the value)."""
        if key not in self._kept:
            return False, None
        self._kept.move_to_end(key)
        return True, self._kept[key][0]

    def put(self, key: Hashable, value: Any, size: int) -> None:
        """Keeps a value of `size` bytes, if there can be room."""
        self._drop(key)
        if size > self._limit:
            return
        self._kept[key] = value, size
        self.size += size
        while self.size > self._limit:
            self._drop(next(iter(self._kept)))

    def _drop(self, key: Hashable) -> None:
        if key in self._kept:
            self.size -= self._kept.pop(key)[1]
