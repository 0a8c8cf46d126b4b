"""Who names whom: the references of all objects, to be looked up from the other end."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from quarterdeck.registry.records import Key


class Dependents:
    """An index of references by their targets, which need not exist."""

    def __init__(self) -> None:
        self._targets: dict[Key, frozenset[Key]] = {}
        self._holders: defaultdict[Key, set[Key]] = defaultdict(set)

    def put(self, holder: Key, targets: Iterable[Key]) -> None:
        """Records what an object names now."""
        self.remove(holder)
        self._targets[holder] = frozenset(targets)
        for target in self._targets[holder]:
            self._holders[target].add(holder)

    def remove(self, holder: Key) -> None:
        """Forgets what an object named."""
        for target in self._targets.pop(holder, frozenset()):
            self._holders[target].discard(holder)
            if not self._holders[target]:
                del self._holders[target]

    def of(self, target: Key) -> frozenset[Key]:
        """Returns the objects that name `target`."""
        return frozenset(self._holders.get(target, ()))
