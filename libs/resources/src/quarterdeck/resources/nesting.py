"""How deeply a JSON value is nested, told without recursion."""

from typing import Any


def deeper_than(value: Any, limit: int) -> bool:
    """Tell whether lists and objects are nested more than `limit` deep."""
    level = [value]
    for _ in range(limit + 1):
        level = [part for item in level if isinstance(item, (dict, list)) for part in _parts(item)]
        if not level:
            return False
    return any(isinstance(item, (dict, list)) for item in level)


def _parts(item: dict[Any, Any] | list[Any]) -> list[Any]:
    return list(item.values()) if isinstance(item, dict) else item
