"""Whether an object already is what we want it to be, as far as we want anything."""

from __future__ import annotations

import hashlib
import json
import re
from decimal import Decimal
from typing import Any

from quarterdeck.controller.objects import Object

# What stands below these is a quantity, which the API server writes its own way (`1` for `1000m`).
_QUANTITY_FIELDS = {"limits", "requests", "hard", "default", "defaultRequest", "max", "min", "sizeLimit"}
# What stands below these is written as a whole: one word more, and they mean something else.
_WHOLE_FIELDS = {"selector", "podSelector", "namespaceSelector", "nodeSelector"}
_QUANTITY = re.compile(r"(\d+(?:\.\d+)?)(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?")
_FACTORS = {"": Decimal(1), "m": Decimal("0.001"), "k": Decimal(1000)} | {
    unit + suffix: Decimal(base) ** power
    for suffix, base in (("", 1000), ("i", 1024))
    for power, unit in enumerate("KMGTPE", start=1)
    if unit + suffix != "K"
}


def digest(thing: Object) -> str:
    """Returns a short word for what is wanted, the same for the same and another for anything else."""
    return hashlib.sha256(json.dumps(thing, sort_keys=True).encode()).hexdigest()[:32]


def covers(live: Any, wanted: Any, *, quantities: bool = False) -> bool:
    """True if `live` holds all that `wanted` says; what else it holds is somebody else's or a default.

    Not so in selectors, which have one owner: with a word slipped in they select something else.

    Lists must agree item by item and be of the same length. Where somebody may add items of his own, this is
    false too often, which costs an apply that changes nothing; an item that somebody slipped into a list that
    is all ours is never overlooked.

    Args:
        quantities: words are quantities and agree by their value.
    """
    if isinstance(wanted, dict):
        if not isinstance(live, dict):
            return not wanted and live is None
        return all(
            without_empty(live.get(name)) == without_empty(value)
            if name in _WHOLE_FIELDS
            else covers(live.get(name), value, quantities=quantities or name in _QUANTITY_FIELDS)
            for name, value in wanted.items()
        )
    if isinstance(wanted, list):
        items = live if isinstance(live, list) else []
        return len(items) == len(wanted) and all(
            covers(one, other, quantities=quantities) for one, other in zip(items, wanted, strict=True)
        )
    return bool(live == wanted) or (quantities and _same_quantity(live, wanted))


def without_empty(value: Any) -> Any:
    """Returns `value` without fields that say nothing: the API server's defaults are often an empty list."""
    if isinstance(value, dict):
        kept = {name: without_empty(item) for name, item in value.items()}
        return {name: item for name, item in kept.items() if item not in (None, "", [], {})}
    if isinstance(value, list):
        return [without_empty(item) for item in value]
    return value


def _same_quantity(live: Any, wanted: Any) -> bool:
    one, other = _quantity(live), _quantity(wanted)
    return one is not None and one == other


def _quantity(value: Any) -> Decimal | None:
    match = _QUANTITY.fullmatch(str(value)) if isinstance(value, str | int) else None
    return Decimal(match[1]) * _FACTORS[match[2] or ""] if match else None
