"""Which changes of an object in a cluster are only the echo of what was said in its status. Pure."""

from __future__ import annotations

from typing import Any

from quarterdeck.controller.caching.cache import Change
from quarterdeck.controller.objects import Object, metadata
from quarterdeck.registry import conditions
from quarterdeck.registry.conditions import TRUE
from quarterdeck.registry.constants import ACCEPTED
from quarterdeck.registry.kube import statuses


def is_echo(change: Change) -> bool:
    """True for a change in which nobody wants anything else: of a status, or of who owns which field."""
    old, new = change.old, change.new
    if old is None or new is None or old is new:
        return False
    # Drift of a status is for whoever wrote it; a refusal is said here, and nowhere else. What another
    # controller says in it is taken over.
    return _wish(old) == _wish(new) and not _is_refused(new) and not statuses.others(new).types


def _wish(thing: Object) -> list[Any]:
    meta = metadata(thing)
    names = ("uid", "generation", "deletionTimestamp", "labels", "annotations")
    return [meta.get(name) for name in names]


def _is_refused(thing: Object) -> bool:
    said = conditions.find((thing.get("status") or {}).get("conditions", []), ACCEPTED)
    return said.get("status") != TRUE
