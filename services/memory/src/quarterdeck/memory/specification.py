"""A MemoryCollection's spec, read and checked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from quarterdeck.common.errors import InvalidArgument
from quarterdeck.memory.embedding.providers import PROVIDERS
from quarterdeck.memory.engine.interface import DISTANCES, Distance
from quarterdeck.memory.filters import COMBINATORS
from quarterdeck.memory.fusion import Weights
from quarterdeck.memory.payload import FIELD_TYPES, FieldType, field_type
from quarterdeck.resources.durations import duration_seconds

MAX_DIMENSION = 65_536
MAX_FIELDS = 64

_FIELD_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")


@dataclass(frozen=True, slots=True)
class EmbeddingSpec:
    """Which model is asked for.

    Args:
        provider: empty: whichever fits where the service runs.
        model: empty: the provider's usual one.
        key_variable: environment variable with the API key; empty: the provider's usual one.
        base_url: address of a compatible server; empty: the provider's own.
    """

    provider: str = ""
    model: str = ""
    key_variable: str = ""
    base_url: str = ""


@dataclass(frozen=True, slots=True)
class CollectionSpec:
    """What a collection is asked to be.

    Args:
        size: dimension of its vectors; 0: what the embedding gives.
        distance: how vectors are compared.
        embedding: what makes the vectors.
        payload: field to type.
        ttl: seconds that an item lives; None: for ever.
        weights: of vector and keyword search.
    """

    size: int = 0
    distance: Distance = "cosine"
    embedding: EmbeddingSpec = field(default_factory=EmbeddingSpec)
    payload: Mapping[str, FieldType] = field(default_factory=dict)
    ttl: float | None = None
    weights: Weights = field(default_factory=Weights)


def read_spec(spec: Mapping[str, Any]) -> CollectionSpec:
    """Reads the JSON of a spec. Raises InvalidArgument with the path of what is wrong or not supported."""
    if _object(spec, "graph").get("enabled"):
        raise _wrong("spec.graph.enabled", "is not supported yet; leave it out", "NotSupported")
    return CollectionSpec(
        size=_size(_object(spec, "vector").get("size")),
        distance=_distance(_object(spec, "vector").get("distance")),
        embedding=_embedding(_object(spec, "embedding")),
        payload=_payload(_object(spec, "payload")),
        ttl=_ttl(_object(spec, "retention").get("ttl")),
        weights=_weights(_object(spec, "hybrid")),
    )


def _distance(value: Any) -> Distance:
    for known in DISTANCES:
        if value is None or value == known:
            return known
    raise _wrong("spec.vector.distance", f"must be one of {', '.join(DISTANCES)}, not {value!r}")


def _embedding(embedding: Mapping[str, Any]) -> EmbeddingSpec:
    provider = str(embedding.get("provider") or "")
    if provider and provider not in PROVIDERS:
        raise _wrong("spec.embedding.provider", f"must be one of {', '.join(PROVIDERS)}, not {provider!r}")
    credential = embedding.get("credential") or {}
    if "secret" in credential:
        path = "spec.embedding.credential.secret"
        raise _wrong(path, "needs a cluster; here only env works", "NotSupported")
    return EmbeddingSpec(
        provider,
        str(embedding.get("model") or ""),
        str(credential.get("env") or ""),
        str(embedding.get("baseUrl") or ""),
    )


def _object(spec: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = spec.get(name) or {}
    if not isinstance(value, Mapping):
        raise _wrong(f"spec.{name}", "must be an object")
    return value


def _size(value: Any) -> int:
    if value is None:
        return 0
    if not isinstance(value, int | float) or value != int(value) or not 1 <= value <= MAX_DIMENSION:
        raise _wrong("spec.vector.size", f"must be a whole number from 1 to {MAX_DIMENSION}")
    return int(value)


def _payload(fields: Mapping[str, Any]) -> dict[str, FieldType]:
    if len(fields) > MAX_FIELDS:
        raise _wrong("spec.payload", f"has {len(fields)} fields; at most {MAX_FIELDS} are possible")
    schema: dict[str, FieldType] = {}
    for name, kind in fields.items():
        path = f"spec.payload.{name}"
        if not _FIELD_NAME.fullmatch(name) or name in COMBINATORS:
            raise _wrong(path, "must be a name of letters, digits and _, and not and, or, not")
        if kind == "geo":
            raise _wrong(path, "has the type geo, which is not supported yet", "NotSupported")
        known = field_type(str(kind))
        if known is None:
            raise _wrong(path, f"must be one of {', '.join(FIELD_TYPES)}, not {kind!r}")
        schema[name] = known
    return schema


def _ttl(value: Any) -> float | None:
    if value is None:
        return None
    try:
        seconds = duration_seconds(str(value))
    except ValueError as error:
        raise _wrong("spec.retention.ttl", str(error)) from error
    if seconds <= 0:
        raise _wrong("spec.retention.ttl", "must be longer than nothing")
    return seconds


def _weights(hybrid: Mapping[str, Any]) -> Weights:
    values: dict[str, float] = {}
    for name in ("dense", "sparse"):
        value = hybrid.get(name, 0.5 if not hybrid else 0.0)
        if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
            raise _wrong(f"spec.hybrid.{name}", "must be a number that is not negative")
        values[name] = float(value)
    if not any(values.values()):
        raise _wrong("spec.hybrid", "needs a weight above zero")
    return Weights(**values)


def _wrong(path: str, message: str, reason: str = "InvalidSpec") -> InvalidArgument:
    return InvalidArgument(f"{path} {message}", field=path, reason=reason)
