"""What a cache leaves out of the objects it keeps."""

from __future__ import annotations

from collections.abc import Callable

from quarterdeck.controller.objects import Object

Trim = Callable[[Object], Object]
"""Makes an object smaller before it is kept. It may change its argument, which nobody else has seen."""

_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def trim_bookkeeping(thing: Object) -> Object:
    """Drops who owns which field, and kubectl's own copy of the object: often the larger half."""
    meta = thing.get("metadata") or {}
    meta.pop("managedFields", None)
    annotations = meta.get("annotations")
    if annotations is not None:
        annotations.pop(_LAST_APPLIED, None)
    return thing
