"""Which few amounts add up to a target: one payment for several invoices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from quarterdeck.llm.playbook.limits import SUBSET_RESULTS, SUBSET_STEPS


class TooManyCombinations(Exception):
    """The search was given up; the caller should pass fewer items."""


@dataclass
class _Search:
    """One search; amounts and target are integers, sorted amounts first to last."""

    amounts: Sequence[int]
    target: int
    tolerance: int
    smallest: int
    largest: int
    steps: int = 0
    found: list[tuple[int, ...]] = field(default_factory=list)

    def run(self, start: int, rest: int, chosen: tuple[int, ...]) -> None:
        if abs(rest) <= self.tolerance and len(chosen) >= self.smallest:
            self.found.append(chosen)
        if len(chosen) == self.largest:
            return
        for index in range(start, len(self.amounts)):
            if len(self.found) >= SUBSET_RESULTS:
                return
            self._count_step()
            if self.amounts[0] > 0 and self.amounts[index] > rest + self.tolerance:
                return
            self.run(index + 1, rest - self.amounts[index], (*chosen, index))

    def _count_step(self) -> None:
        self.steps += 1
        if self.steps > SUBSET_STEPS:
            raise TooManyCombinations


def find_subsets(
    amounts: Sequence[int], target: int, *, tolerance: int = 0, smallest: int = 2, largest: int = 4
) -> list[tuple[int, ...]]:
    """Positions of every group of `smallest` to `largest` amounts whose sum is `target` ± `tolerance`.

    At most `limits.SUBSET_RESULTS` groups, smaller groups first. Raises `TooManyCombinations` rather than
    answer from half a search. With only positive amounts whole branches are left out.
    """
    order = sorted(range(len(amounts)), key=lambda position: amounts[position])
    search = _Search([amounts[position] for position in order], target, tolerance, smallest, largest)
    if order:
        search.run(0, target, ())
    groups = [tuple(sorted(order[index] for index in chosen)) for chosen in search.found]
    return sorted(groups, key=lambda group: (len(group), group))
