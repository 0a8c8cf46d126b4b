"""Pages of lists: opaque cursors and bounded sizes."""

from __future__ import annotations

import base64

from quarterdeck.common.errors import InvalidArgument

DEFAULT_PAGE, LARGEST_PAGE = 100, 500


def page_limit(size: int) -> int:
    """Returns how many items a page has. Raises InvalidArgument for a negative size."""
    if size < 0:
        raise InvalidArgument("a page has at least one item", field="limit")
    return min(size or DEFAULT_PAGE, LARGEST_PAGE)


def encode_cursor(position: str) -> str:
    """Returns the token that continues after `position`."""
    return base64.urlsafe_b64encode(position.encode()).decode().rstrip("=")


def decode_cursor(token: str) -> str:
    """Returns the position a token stands for, empty for an empty one. Raises InvalidArgument."""
    try:
        padded = token + "=" * (-len(token) % 4)
        return base64.b64decode(padded, altchars=b"-_", validate=True).decode()
    except ValueError as error:  # not Base64, not UTF-8, or not even ASCII
        raise InvalidArgument(
            "not a continue token of this list", field="continue", hint="start over without it"
        ) from error
