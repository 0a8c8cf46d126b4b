"""Which changes are worth a look."""

from __future__ import annotations

from collections.abc import Callable

from quarterdeck.controller.caching.cache import Change
from quarterdeck.controller.objects import annotations_of, is_deleting, labels_of, metadata

Predicate = Callable[[Change], bool]
"""True if a change is worth a look. Additions, deletions and resyncs should always be."""


def every_change(change: Change) -> bool:
    """All of them."""
    return True


def generation_changed(change: Change) -> bool:
    """What somebody wants changed: the spec, or that the object be deleted; not its status or its labels.

    Kinds that count no generation (ConfigMaps, Secrets) pass with every change.
    """
    old, new = change.old, change.new
    if old is None or new is None or old is new:
        return True
    before, after = metadata(old).get("generation"), metadata(new).get("generation")
    return before is None or before != after or is_deleting(old) != is_deleting(new)


def labels_changed(change: Change) -> bool:
    """The labels changed."""
    old, new = change.old, change.new
    return old is None or new is None or labels_of(old) != labels_of(new)


def annotation_changed(name: str) -> Predicate:
    """Returns a predicate: the annotation `name` came, went or changed."""

    def changed(change: Change) -> bool:
        old, new = change.old, change.new
        return old is None or new is None or annotations_of(old).get(name) != annotations_of(new).get(name)

    return changed


def any_of(*predicates: Predicate) -> Predicate:
    """Returns a predicate: one of these holds."""
    return lambda change: any(predicate(change) for predicate in predicates)
