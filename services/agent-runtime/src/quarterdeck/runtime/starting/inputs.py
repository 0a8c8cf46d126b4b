"""Values from outside against the schemas of definitions."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from quarterdeck.common.errors import FailedPrecondition, InvalidArgument

# A value with more parts is checked in a thread: the event loop has others to serve.
INLINE_PARTS = 500


async def check_input(value: Any, schema: Mapping[str, Any] | None, field: str = "input") -> None:
    """Checks a value from outside.

    Args:
        field: what the value is called in the request.

    Raises:
        InvalidArgument: it breaks the schema; names every field that is wrong.
        FailedPrecondition: the schema itself cannot be used.
    """
    if schema is None:
        return
    if is_small(value):
        check(value, schema, field)
    else:
        await asyncio.to_thread(check, value, schema, field)


def check(value: Any, schema: Mapping[str, Any], field: str) -> None:
    """The same, here and now. It holds the interpreter for some time when the value is large."""
    from quarterdeck.resources.documents import UnusableSchema, find_violations

    try:
        found = find_violations(value, schema)
    except UnusableSchema as error:
        raise FailedPrecondition(
            f"the schema of {field} cannot be used: {error}",
            field=field,
            hint="mend the schema in the definition and apply it again",
            reason="UnusableSchema",
        ) from None
    if found:
        violations = [(field + path_text(place.path), place.message) for place in found]
        first, message = violations[0]
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        raise InvalidArgument(
            f"{first}: {message}{more}",
            field=first,
            violations=violations,
            hint=f"see the schema of {field}",
        )


def path_text(path: tuple[str | int, ...]) -> str:
    """Returns ("items", 2, "amount") as ".items[2].amount"."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)


def is_small(value: Any) -> bool:
    """True if a value has few parts, so that looking at all of them takes no time to speak of."""
    left, level = INLINE_PARTS, [value]
    while level and left > 0:
        left -= len(level)
        level = [part for item in level for part in _parts(item)]
    return not level


def _parts(value: Any) -> Any:
    if isinstance(value, Mapping):
        return value.values()
    return value if isinstance(value, list) else ()
