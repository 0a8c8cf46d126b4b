"""Pages: a token says where the next one begins, so pages stay right while objects come and go."""

from __future__ import annotations

import base64
import binascii
from dataclasses import asdict, dataclass

from quarterdeck.common import codec
from quarterdeck.common.errors import InvalidArgument
from quarterdeck.registry.constants import DEFAULT_PAGE, LARGEST_PAGE

ORDERS = ("name", "-name", "created", "-created")


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a listing stands.

    Args:
        query: what is listed and how; a token serves the listing that it came from only.
        after: sort key of the last object of the page before.
        version: the resource version at the first page: a watch from there misses nothing.
    """

    query: str
    after: str
    version: int


def encode(cursor: Cursor) -> str:
    """Returns the cursor as an opaque token."""
    return base64.urlsafe_b64encode(codec.dumps(asdict(cursor))).decode().rstrip("=")


def decode(token: str, query: str) -> Cursor | None:
    """Reads a token; None for an empty one. Raises InvalidArgument for one of another listing."""
    if not token:
        return None
    try:
        padded = token + "=" * (-len(token) % 4)
        cursor = Cursor(**codec.loads(base64.b64decode(padded, altchars=b"-_", validate=True)))
        fits = cursor.query == query and isinstance(cursor.after, str) and isinstance(cursor.version, int)
    except (ValueError, TypeError, binascii.Error):
        fits = False
    if not fits:
        raise InvalidArgument(
            "not a token of this listing",
            field="continue",
            hint="pass the token of the page before with the same filter and order, or begin anew",
        )
    return cursor


def size(wanted: int) -> int:
    """Returns the number of objects on a page. Raises InvalidArgument if negative."""
    if wanted < 0:
        raise InvalidArgument("must not be negative", field="limit")
    return min(wanted or DEFAULT_PAGE, LARGEST_PAGE)


def order(wanted: str) -> str:
    """Returns the order of a listing. Raises InvalidArgument for an unknown one."""
    if (wanted or ORDERS[0]) not in ORDERS:
        raise InvalidArgument(
            f"cannot order by {wanted!r}", field="orderBy", hint=f"one of {', '.join(ORDERS)}"
        )
    return wanted or ORDERS[0]
