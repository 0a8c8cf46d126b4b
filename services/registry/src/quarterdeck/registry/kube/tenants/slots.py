"""Which of the Roles with fixed names an AccessRole has in its namespace.

Who may write Roles with rules that they do not have themselves may do so by name only, so names are fixed.
One that is given back is taken last: a binding to it that is about to go must not find another role there.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from quarterdeck.controller.caching.cache import BY_NAMESPACE, ObjectCache
from quarterdeck.controller.objects import Object, annotations_of, key_of
from quarterdeck.registry.constants import ACCESS_ROLE, OWN_ROLES

NAMES = tuple(f"quarterdeck-own-{number}" for number in range(OWN_ROLES))


@dataclass(slots=True)
class _Namespace:
    held: dict[str, str]
    free: deque[str] = field(default_factory=deque)


class Slots:
    """See the module. One process gives them, by its lease.

    Args:
        roles: Roles that are there; asked once for each namespace.
    """

    def __init__(self, roles: ObjectCache) -> None:
        self._roles = roles
        self._namespaces: dict[str, _Namespace] = {}

    def given(self, namespace: str, wanted: Sequence[str]) -> Mapping[str, str]:
        """Returns the Role's name for each AccessRole of `wanted`, as far as there are any left."""
        known = self._namespaces.get(namespace)
        if known is None:
            held = holders(self._roles.find(BY_NAMESPACE, namespace))
            known = _Namespace(held, deque(name for name in NAMES if name not in held.values()))
            self._namespaces[namespace] = known
        for gone in known.held.keys() - set(wanted):
            known.free.append(known.held.pop(gone))
        for name in wanted:
            if name not in known.held and known.free:
                known.held[name] = known.free.popleft()
        return dict(known.held)


def holders(roles: Iterable[Object]) -> dict[str, str]:
    """Returns the names of Roles by the AccessRole that they say they are of. Pure."""
    found = {annotations_of(role).get(ACCESS_ROLE): key_of(role).name for role in roles}
    return {holder: name for holder, name in found.items() if holder and name in NAMES}
