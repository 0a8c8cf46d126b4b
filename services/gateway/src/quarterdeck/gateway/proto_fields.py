"""Names of fields as the contract has them, for who came by gRPC: services speak of them as REST does."""

from __future__ import annotations

import re
from typing import Any

from quarterdeck.common.errors import InvalidArgument, QuarterdeckError

# Those that are not the same word in another spelling.
_OTHER_WORDS = {"continue": "page_token", "limit": "page_size"}
_FIRST = re.compile(r"[^.\[]*")
_HUMP = re.compile(r"(?<=[a-z0-9])[A-Z]")


def proto_field(request: Any, field: str) -> str:
    """Returns a field's path with the name that the request's message has for it.

    Args:
        request: the descriptor of the message.
        field: a path such as "continue", "labelSelector" or "input.month".
    """
    first = (_FIRST.match(field) or [""])[0]
    snake = _HUMP.sub(lambda hump: f"_{hump[0].lower()}", first)
    for name in (first, _OTHER_WORDS.get(first, first), snake, f"{snake}_json"):
        if name in request.fields_by_name:
            return name + field[len(first) :]
    return field


def speak_proto(error: QuarterdeckError, request: Any) -> QuarterdeckError:
    """Changes the fields that an error names to those of the request's message, and returns it."""
    error.field = proto_field(request, error.field)
    if isinstance(error, InvalidArgument):
        error.violations = [(proto_field(request, path), message) for path, message in error.violations]
    return error
