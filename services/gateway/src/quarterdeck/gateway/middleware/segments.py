"""Keeps a quoted slash inside its segment: an id such as `a/b` is one part of a path, `a%2Fb`.

A server hands over the path unquoted, so that `a%2Fb` looks like two segments. Here the path keeps `%2F`, and
`%25` with it, quoted; what a route takes from its segments is unquoted in the end (`unquote_parameters`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import unquote

from starlette.convertors import Convertor, StringConvertor
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

# No character of UTF-8 has one of these bytes inside, so what is between them can be unquoted by itself.
_KEPT = re.compile(r"(%2[fF]|%25)")


class WholeSegments:
    """Corrects `scope["path"]`, before anything looks at it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        raw = scope.get("raw_path") or b""
        if b"%" in raw:
            scope["path"] = path_of(raw.decode("latin-1"))
        await self._app(scope, receive, send)


def path_of(raw: str) -> str:
    """Returns a raw path unquoted but for slashes and percent signs: "/a%2Fb%20c" is "/a%2Fb c"."""
    return "".join(part if _KEPT.fullmatch(part) else unquote(part) for part in _KEPT.split(raw))


class _Unquoted(Convertor[str]):
    """A segment as a route's parameter."""

    regex = StringConvertor.regex

    def convert(self, value: str) -> str:
        """Returns the parameter of a segment."""
        return unquote(value) if "%" in value else value

    def to_string(self, value: str) -> str:
        """Returns the segment of a parameter."""
        return value.replace("%", "%25").replace("/", "%2F")


def unquote_parameters(routes: Iterable[BaseRoute]) -> list[BaseRoute]:
    """Returns the routes, made to unquote those of their parameters that are a segment."""
    found = list(routes)
    for route in found:
        if isinstance(route, Route):
            _unquote(route.param_convertors)
    return found


def _unquote(convertors: dict[str, Convertor[Any]]) -> None:
    for name, convertor in convertors.items():
        if isinstance(convertor, StringConvertor):
            convertors[name] = _Unquoted()
