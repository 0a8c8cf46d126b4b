"""What the registry keeps, as immutable records."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from quarterdeck.common import codec
from quarterdeck.common.constants import API_VERSION
from quarterdeck.registry.constants import CLUSTER_KINDS, CLUSTER_TENANT_ID


class Key(NamedTuple):
    """Names one object. `tenant_id` is empty for cluster-scoped kinds."""

    tenant_id: str
    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"


@dataclass(frozen=True, slots=True)
class Scope:
    """Where an object lives: a tenant, or the cluster (both empty)."""

    tenant_id: str = CLUSTER_TENANT_ID
    tenant: str = ""


CLUSTER = Scope()


@dataclass(frozen=True, slots=True)
class Row:
    """One object. `accepted_generation` is 0 and `revision` empty as long as no spec was accepted."""

    key: Key
    uid: str
    generation: int
    version: int
    created_at: str
    labels: dict[str, str]
    annotations: dict[str, str]
    spec_hash: str
    spec_json: bytes
    status: dict[str, Any]
    revision: str
    accepted_generation: int

    @property
    def accepted(self) -> bool:
        """True if what is written is also what is in force."""
        return self.accepted_generation == self.generation


@dataclass(frozen=True, slots=True)
class Source:
    """What the API server says of an object that is kept there. `created_at`: RFC 3339."""

    uid: str
    generation: int
    created_at: str


@dataclass(frozen=True, slots=True)
class Change:
    """One write, as watches see it. The fields are those of the table `changes`."""

    version: int
    at: float
    tenant_id: str
    tenant: str
    kind: str
    name: str
    uid: str
    deleted: bool
    labels: dict[str, str]
    object_json: bytes
    revision: str
    in_force_json: bytes | None
    existed: bool
    labels_before: dict[str, str] = field(default_factory=dict)
    in_force_before: bool = False
    created_at: str = ""

    @property
    def key(self) -> Key:
        """Names the object."""
        return Key(self.tenant_id, self.kind, self.name)

    @property
    def in_force(self) -> bytes:
        """The object with the spec that is in force; empty if none is."""
        return self.object_json if self.in_force_json is None else self.in_force_json


@dataclass(frozen=True, slots=True)
class TenantRow:
    """A tenant: its name, its immutable UUID, and the one namespace it owns."""

    id: str
    name: str
    namespace: str
    suspended: bool


def is_cluster_scoped(kind: str) -> bool:
    """True for kinds that belong to no tenant."""
    return kind in CLUSTER_KINDS


def revision_name(key: Key, spec_hash: str) -> str:
    """Returns a revision's name, "<kind>/<name>@<first 12 hex digits of the spec's SHA-256>"."""
    return f"{key.kind}/{key.name}@{spec_hash[:12]}"


def object_json(row: Row) -> bytes:
    """Returns the object as in a manifest, with its metadata and status."""
    return _assemble(row, row.spec_json, row.generation)


def in_force_json(row: Row, accepted_spec_json: bytes) -> bytes:
    """Returns the object with the spec (and generation) that is in force instead of the written one."""
    return _assemble(row, accepted_spec_json, row.accepted_generation)


def _assemble(row: Row, spec_json: bytes, generation: int) -> bytes:
    # The spec is spliced in as it is stored: a change of status does not parse it.
    return b'{"apiVersion":%b,"kind":%b,"metadata":%b,"spec":%b,"status":%b}' % (
        codec.dumps(API_VERSION),
        codec.dumps(row.key.kind),
        codec.dumps(_metadata(row, generation)),
        spec_json,
        codec.dumps(row.status),
    )


def _metadata(row: Row, generation: int) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": row.key.name}
    if row.labels:
        metadata["labels"] = row.labels
    if row.annotations:
        metadata["annotations"] = row.annotations
    return metadata | {
        "uid": row.uid,
        "generation": generation,
        "resourceVersion": str(row.version),
        "creationTimestamp": row.created_at,
    }
