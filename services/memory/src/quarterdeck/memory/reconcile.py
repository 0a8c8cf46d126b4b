"""From a MemoryCollection's spec and the record there is to the record there shall be. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from quarterdeck.common.errors import FailedPrecondition
from quarterdeck.memory.embedding.providers import default_model, default_provider, natural_size
from quarterdeck.memory.specification import CollectionSpec, read_spec
from quarterdeck.memory.store import Collection


@dataclass(frozen=True, slots=True)
class Wanted:
    """A MemoryCollection as it was applied."""

    tenant_id: str
    name: str
    uid: str
    spec_json: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do: keep this record, after dropping the items if so said."""

    record: Collection
    drop_first: bool = False


def plan(wanted: Wanted, present: Collection | None, items: int, environment: Mapping[str, str]) -> Plan:
    """Decides what becomes of a collection.

    Args:
        present: its record, also one whose resource was deleted.
        items: how many items it holds.
        environment: variables that decide which provider fits.

    Raises:
        InvalidArgument: the spec is wrong.
        FailedPrecondition: it asks for another vector space than its items are in.
    """
    spec = read_spec(wanted.spec_json)
    another = present is not None and present.uid != wanted.uid
    base = None if another else present
    record = _record(wanted, spec, base, environment)
    if another and present is not None:
        return Plan(replace(record, generation=present.generation + 1), drop_first=True)
    if base is None:
        return Plan(record)
    if base.spec_json == wanted.spec_json and base.deleted_at is None:
        return Plan(base)
    moved = _space(record, spec) != _space(base, base.spec)
    if moved and items:
        raise _another_space(base, record, items)
    return Plan(replace(record, generation=base.generation + 1), drop_first=moved)


def _record(
    wanted: Wanted, spec: CollectionSpec, base: Collection | None, environment: Mapping[str, str]
) -> Collection:
    asked = spec.embedding
    # A collection stays with the provider it began with: a key that is set later changes nothing.
    kept = base.provider if base is not None else default_provider(environment)
    provider = asked.provider or kept
    same = base is not None and base.provider == provider and read_spec(base.spec_json).embedding == asked
    model = asked.model or (base.model if same and base is not None else default_model(provider))
    size = spec.size or natural_size(provider, model)
    return Collection(wanted.tenant_id, wanted.name, wanted.uid, wanted.spec_json, provider, model, size)


def _space(record: Collection, spec: CollectionSpec) -> tuple[str, str, int, str]:
    return record.provider, record.model, record.size, spec.distance


def _another_space(base: Collection, record: Collection, items: int) -> FailedPrecondition:
    if record.size != base.size:
        return FailedPrecondition(
            f"its {items} items have vectors of size {base.size}, the spec asks for {record.size}",
            field="spec.vector.size",
            hint=f"set it back to {base.size}, or make another collection and save the items there",
            reason="DimensionMismatch",
        )
    return FailedPrecondition(
        f"its {items} items were embedded by {base.provider} {base.model} ({base.spec.distance}), the spec "
        f"asks for {record.provider} {record.model} ({record.spec.distance})",
        field="spec.embedding",
        hint="set it back, or make another collection and save the items there",
        reason="EmbeddingChanged",
    )
