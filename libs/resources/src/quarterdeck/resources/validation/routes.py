"""Paths that triggers serve."""

import re
from collections.abc import Iterator

from quarterdeck.resources.errors import FieldError
from quarterdeck.resources.trigger import Trigger

_PLACEHOLDER = re.compile(r"\{[A-Za-z_][A-Za-z0-9_]*\}")


def route_of(trigger: Trigger) -> tuple[str, str] | None:
    """Return the method and the shape of the path a trigger serves, None when it serves none.

    In the shape every `{name}` is `{}`, so two triggers collide exactly when method and shape are equal.
    """
    spec = trigger.spec
    if spec.http:
        return spec.http.method, _PLACEHOLDER.sub("{}", spec.http.path)
    return ("POST", _PLACEHOLDER.sub("{}", spec.webhook.path)) if spec.webhook else None


def route(trigger: Trigger) -> Iterator[FieldError]:
    """The path is well formed: no empty or dot segments, placeholders that fill a segment and differ."""
    name = "http" if trigger.spec.http else "webhook"
    source = trigger.spec.http or trigger.spec.webhook
    if not source:
        return
    path, where = source.path, f"spec.{name}.path"
    segments = path[1:].split("/")
    if path != "/" and any(segment in ("", ".", "..") for segment in segments):
        yield FieldError(where, "a segment of the path is empty, '.' or '..'", "no '/' at the end, no '//'")
    odd = [part for part in segments if set(part) & set("{}") and not _PLACEHOLDER.fullmatch(part)]
    if odd:
        yield FieldError(where, f"{odd[0]!r} is not a placeholder", "it is a whole segment: /{id}/")
    names = _PLACEHOLDER.findall(path)
    if len(names) != len(set(names)):
        yield FieldError(where, "a placeholder appears twice", "give each its own name")
