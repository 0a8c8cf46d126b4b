"""Our points as a Qdrant server keeps them, and back.

Many collections of many tenants share one Qdrant collection, so each point says whose it is:

    c   "<tenant id>/<collection>", the tenant index
    id  the point's own id; the server's is made of both, as two collections may use one id
    d   the document as it was given
    s, t, w, n   its strings (as keywords, as text), whole numbers and numbers again, by their paths

One path has one index in a Qdrant collection. The copies give each type an index of its own, so
that no tenant's field "amount" is in the way of another's of another type.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from typing import Any

from quarterdeck.memory.engine.interface import TEXT_FIELD, CollectionKey, IndexType, Stored

OWNER, ID, DOCUMENT = "c", "id", "d"
KEYWORDS, TEXTS, WHOLE, NUMBERS = "s", "t", "w", "n"

# Fields of a point that reading needs.
READ_FIELDS = [ID, DOCUMENT]

# Namespace of the server's ids (RFC 4122, version 5).
_POINTS = uuid.UUID("0f6c1f0e-9d1b-5d5c-8f0b-5b8f6a4be0a1")
_GROUPS: Mapping[IndexType, tuple[str, ...]] = {
    "keyword": (KEYWORDS,),
    "text": (TEXTS,),
    "integer": (WHOLE, NUMBERS),
    "float": (NUMBERS,),
}


def owner(key: CollectionKey) -> str:
    """Returns what the points of a collection have in `c`."""
    return f"{key.tenant_id}/{key.name}"


def server_id(key: CollectionKey, point_id: str) -> str:
    """Returns the server's id of a point: another one in every collection."""
    return str(uuid.uuid5(_POINTS, f"{owner(key)}/{point_id}"))


def stored_form(key: CollectionKey, point_id: str, document: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the payload that the server keeps."""
    fields = {name: value for name, value in document.items() if name != TEXT_FIELD}
    copies = {group: _only(fields, wanted) for group, wanted in _KINDS.items()}
    filled = {group: copy for group, copy in copies.items() if copy}
    return {OWNER: owner(key), ID: point_id, DOCUMENT: dict(document), **filled}


def read_form(payload: Mapping[str, Any] | None) -> Stored:
    """Returns the point that `stored_form` made a payload of."""
    kept = payload or {}
    return Stored(str(kept[ID]), dict(kept[DOCUMENT]))


def index_paths(indexes: Mapping[str, IndexType]) -> dict[str, str]:
    """Returns the server's paths to index for our paths; each group has one type of index."""
    return {f"{group}.{path}": group for path, kind in indexes.items() for group in _GROUPS[kind]}


def _only(fields: Mapping[str, Any], wanted: Callable[[Any], bool]) -> dict[str, Any]:
    """Returns the tree of those values that are wanted, without empty branches."""
    chosen: dict[str, Any] = {}
    for name, value in fields.items():
        kept = _only(value, wanted) if isinstance(value, Mapping) else value
        if kept if isinstance(value, Mapping) else wanted(value):
            chosen[name] = kept
    return chosen


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_string(value: Any) -> bool:
    return isinstance(value, str)


def _is_number(value: Any) -> bool:
    return _is_whole(value) or isinstance(value, float)


_KINDS: Mapping[str, Callable[[Any], bool]] = {
    KEYWORDS: _is_string,
    TEXTS: _is_string,
    WHOLE: _is_whole,
    NUMBERS: _is_number,
}
