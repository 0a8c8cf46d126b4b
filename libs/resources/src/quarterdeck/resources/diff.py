"""Canonical JSON, its hash, the name of a revision, and what differs between two values."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from quarterdeck.resources.field_errors import path_text


def canonical_json(value: Any) -> bytes:
    """Return the one JSON text of a value: sorted keys, no spaces, UTF-8. Raises on NaN and infinity."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode(errors="surrogatepass")


def spec_hash(spec: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a spec (with its defaults filled in) in hexadecimal."""
    return hashlib.sha256(canonical_json(spec)).hexdigest()


def revision_name(kind: str, name: str, spec: Mapping[str, Any]) -> str:
    """Return `<kind>/<name>@<first 12 digits of the hash>`, which names this spec for ever."""
    return f"{kind}/{name}@{spec_hash(spec)[:12]}"


@dataclass(frozen=True, slots=True)
class Change:
    """One difference. `before` or `after` is `ABSENT` when the field is only on one side."""

    path: str
    before: Any
    after: Any


class _Absent:
    def __repr__(self) -> str:
        return "ABSENT"


ABSENT = _Absent()


def changes(before: Any, after: Any, path: tuple[str | int, ...] = ()) -> Iterator[Change]:
    """Yield every difference between two JSON values, in order of their paths."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in sorted({*before, *after}):
            yield from changes(before.get(key, ABSENT), after.get(key, ABSENT), (*path, str(key)))
    elif isinstance(before, list) and isinstance(after, list):
        for index in range(max(len(before), len(after))):
            old = before[index] if index < len(before) else ABSENT
            new = after[index] if index < len(after) else ABSENT
            yield from changes(old, new, (*path, index))
    elif type(before) is not type(after) or before != after:
        yield Change(path_text(path), before, after)
