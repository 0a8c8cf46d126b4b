"""In which order store functions go that share a transaction.

A transaction keeps its locks until it ends. Where many functions share one, two transactions that lock the
same rows in different orders wait for each other, though no function by itself does anything wrong. So who
waits for rows of others says which.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

# The place of a function that locks what it finds free and waits for nobody: after it nobody waits either.
LAST = "\U0010ffff"


@dataclass(frozen=True, slots=True)
class Placed(Generic[P, T]):
    """A store function with its place among those that share a transaction: smaller ones go before it.

    Args:
        place: the row of somebody else that it locks, and may have to wait for.
    """

    function: Callable[P, T]
    place: str

    @property
    def __name__(self) -> str:
        """The function's."""
        return self.function.__name__

    def __call__(self, *args: P.args, **kw: P.kwargs) -> T:
        """Calls the function."""
        return self.function(*args, **kw)


def place_of(function: Callable[..., Any]) -> str:
    """Returns a function's place; without one it goes first."""
    return function.place if isinstance(function, Placed) else ""
