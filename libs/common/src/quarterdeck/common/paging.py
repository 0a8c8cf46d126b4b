"""Pages of lists: opaque cursors and bounded sizes."""

from __future__ import annotations

import base64
import binascii

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
        return base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise InvalidArgument(
            "not a continue token of this list", field="continue", hint="start over without it"
        ) from error
