"""How badly the in-process bus behaves, from a seed."""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(slots=True)
class FaultPlan:
    """Probabilities per message and queue."""

    loss: float = 0.0
    duplication: float = 0.0
    reordering: float = 0.0
    seed: int = 0


class Dice:
    """Decides the fate of one message after the other."""

    def __init__(self, plan: FaultPlan) -> None:
        self._plan = plan
        self._random = random.Random(plan.seed)

    def copies(self) -> list[bool]:
        """Returns an entry a copy that arrives; True: it goes before all that wait."""
        plan, roll = self._plan, self._random.random
        if plan.loss and roll() < plan.loss:
            return []
        count = 2 if plan.duplication and roll() < plan.duplication else 1
        early = bool(plan.reordering) and roll() < plan.reordering
        return [early] * count
