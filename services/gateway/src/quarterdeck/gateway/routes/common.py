"""What all routes share: the way to the services, pages, and JSON out."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Path, Query
from starlette.requests import Request
from starlette.responses import Response

from quarterdeck.common import codec
from quarterdeck.common.errors import InvalidArgument
from quarterdeck.gateway.constants import (
    EVENT_STREAM,
    IDEMPOTENCY_HEADER,
    JSON,
    LARGEST_SEQUENCE,
    LAST_EVENT_HEADER,
)
from quarterdeck.gateway.middleware.idempotency import check_key
from quarterdeck.gateway.upstream import Upstream

Tenant = Annotated[str, Path(description="The tenant's name.", examples=["default"])]
Limit = Annotated[int, Query(ge=1, le=500, description="Items a page at most.")]
Continue = Annotated[str, Query(alias="continue", description="`continue` of the page before.")]
LabelSelector = Annotated[
    str,
    Query(alias="labelSelector", description='"key=value", "key!=value", "key", "!key"; commas mean and.'),
]
OrderBy = Annotated[
    str, Query(alias="orderBy", description="A field; a minus in front reverses.", examples=["-created"])
]


def upstream(request: Request) -> Upstream:
    """Returns the services behind the door."""
    services: Upstream = request.app.state.upstream
    return services


def answer(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Returns a JSON response."""
    return raw(codec.dumps(value), status, headers)


def raw(body: bytes, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Returns a response of bytes that are JSON already."""
    return Response(body, status, headers, media_type=JSON)


def wants_stream(request: Request) -> bool:
    """True if the client asks for server-sent events."""
    return EVENT_STREAM in request.headers.get("accept", "")


def last_event_id(request: Request) -> str:
    """Returns where the client's last stream broke off, empty if there was none."""
    return request.headers.get(LAST_EVENT_HEADER, "")


def last_sequence(request: Request, otherwise: int) -> int:
    """Returns the journal position to go on after. Raises InvalidArgument for what is no position."""
    text = last_event_id(request)
    if not text:
        return otherwise
    if not _is_position(text):
        raise InvalidArgument(
            f"{text!r} is not the id of an event",
            field=LAST_EVENT_HEADER,
            hint="send the id of the last event",
        )
    return int(text)


def _is_position(text: str) -> bool:
    """True for a number of the wire; the length comes first, as reading endless digits takes long."""
    digits = text.isascii() and text.isdecimal() and len(text) <= len(str(LARGEST_SEQUENCE))
    return digits and int(text) <= LARGEST_SEQUENCE


def idempotency_key(request: Request) -> str:
    """Returns the client's key for this request, empty if there is none."""
    key = request.headers.get(IDEMPOTENCY_HEADER, "")
    check_key(key)
    return key


def call_id(request: Request, *scope: str) -> str:
    """Returns an id for an effect that a repeat of this request shares, if it carries a key; else empty."""
    key = idempotency_key(request)
    if not key:
        return ""
    principal = request.scope["qd.principal"].subject
    return codec.digest([principal, *scope, key])[:32]
