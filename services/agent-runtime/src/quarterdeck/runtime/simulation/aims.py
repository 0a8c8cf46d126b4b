"""What some seeds aim at: places that few runs come to, and calls that are made too late.

Which seed aims at what follows from its number and from the engine's code, so that a seed is the same
whatever others found. Every tenth seed aims at late calls; of the others every second one at a function
that is seldom reached, each in its turn.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from quarterdeck.runtime.simulation.await_points import WORKER_FILES, awaits_of
from quarterdeck.runtime.simulation.orders import BULKY_MAP, MOST_ITEMS, SCENES, Order

# Places to which few runs ever come; also by seeds that aim at nothing they are struck more often.
RARE = (
    "runtime/effects/memory.py:",
    "runtime/effects/sealing.py:",
    "runtime/execution/appending.py:_find_out:",
    "runtime/execution/executor.py:_tell_held_up:",
    "runtime/execution/failing.py:",
    "runtime/execution/joining.py:",
    "runtime/execution/performing.py:_performed:",
    "runtime/execution/performing.py:drop:",
    "runtime/execution/sessions.py:",
    "runtime/execution/worker.py:_is_taken_up:",
    "runtime/execution/worker.py:_renew:",
    "runtime/execution/worker.py:_work_on:",
    "runtime/execution/worker.py:begin:",
    "runtime/execution/worker.py:drain:",
    "runtime/execution/worker.py:start:",
    "runtime/operations/",
    "runtime/starting/newborn.py:",
    "runtime/triggers/",
)
# A call whose worker is frozen before it makes it, and whose run is ended meanwhile.
LATE_CALLS = "late calls"
_LATE_EVERY, _LATE = 10, 7
# Of the runs of a seed, how many lean towards what it aims at.
_LEANING = 0.5


@dataclass(frozen=True, slots=True)
class Aim:
    """What one seed aims at: a function, as "folder/file.py:function:", or `LATE_CALLS`; empty: nothing."""

    at: str = ""

    def is_at(self, point: str | None) -> bool:
        """Returns whether a point lies in the function."""
        return bool(self.at) and point is not None and point.startswith(self.at)

    def is_in(self, path: str) -> bool:
        """Returns whether the function is in a file, or folder, of the runtime."""
        return self.at.startswith(f"runtime/{path}")


NOTHING = Aim()


@cache
def rare_functions() -> Sequence[str]:
    """Returns the functions that await something and are seldom reached."""
    written = {f"{place}:" for name in WORKER_FILES for place, _, _ in awaits_of(name)}
    return sorted(place for place in written if place.startswith(RARE))


def aim_of(seed: int) -> Aim:
    """Returns what a seed aims at."""
    if seed % _LATE_EVERY == _LATE:
        return Aim(LATE_CALLS)
    functions = rare_functions()
    return Aim(functions[seed // 2 % len(functions)]) if seed % 2 else NOTHING


def lean(orders: Sequence[Order], aim: Aim, chance: random.Random) -> None:
    """Has clients want more of what leads to the place that is aimed at."""
    for order in orders:
        if chance.random() >= _LEANING:
            continue
        if aim.at == LATE_CALLS:
            order.is_impatient = order.is_retried = True
            if not order.more:
                order.scene, order.input = _CHAIN, {"message": f"run {order.number}"}
        elif aim.is_in("operations/forking.py"):
            order.fork_after = 4.0 * chance.random()
        elif aim.is_in("operations/terminating.py"):
            order.cancel_after, order.terminate = 2.0 * chance.random(), True
        elif aim.is_in("operations/"):
            order.is_retried = True
        elif aim.is_in("execution/joining.py") and not order.more:
            order.scene, order.input = BULKY_MAP, {"items": list(range(MOST_ITEMS))}
        elif aim.is_in("effects/memory.py") and not order.more:
            order.scene, order.input = _REMEMBERING, {"message": f"run {order.number}"}


_SCENES = {scene.name: scene for scene in SCENES}
_CHAIN, _REMEMBERING = _SCENES["chain"], _SCENES["remembering"]
