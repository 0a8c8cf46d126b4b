"""What a write does to an object, as pure functions over rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from quarterdeck.common import codec, ids
from quarterdeck.common.clock import rfc3339
from quarterdeck.common.errors import AlreadyExists, Conflict
from quarterdeck.registry import conditions
from quarterdeck.registry.records import Key, Row, Source, revision_name

if TYPE_CHECKING:
    from quarterdeck.registry.conditions import Problem
    from quarterdeck.registry.manifests import Manifest


@dataclass(frozen=True, slots=True)
class Precondition:
    """What must hold for a write. `version`: the object's present one, 0 for any."""

    version: int = 0
    uid: str = ""
    create_only: bool = False


def check(precondition: Precondition, key: Key, row: Row | None) -> None:
    """Raises AlreadyExists or Conflict if the object is not what the writer thinks it is."""
    if row is None:
        check_version(precondition, key, None, "")
    else:
        check_version(precondition, key, row.version, row.uid)


def check_version(precondition: Precondition, key: Key, version: int | None, uid: str) -> None:
    """Raises as `check`. `version`: of the object as we serve it; None if there is none."""
    if version is None:
        if precondition.version or precondition.uid:
            raise Conflict(
                f"{key} does not exist any more",
                field="metadata.resourceVersion",
                hint="leave resourceVersion and uid out to create it",
            )
        return
    if precondition.create_only:
        raise AlreadyExists(f"{key} exists already", field="metadata.name", hint="apply it to change it")
    if precondition.version and precondition.version != version:
        raise Conflict(
            f"{key} was changed meanwhile: it has version {version}, not {precondition.version}",
            field="metadata.resourceVersion",
            hint="read it again, make your change to what you read, and write that",
        )
    if precondition.uid and precondition.uid != uid:
        raise Conflict(
            f"{key} is another object of the same name now",
            field="metadata.uid",
            hint="read it again",
        )


def is_unchanged(row: Row | None, wanted: Manifest) -> bool:
    """True if writing `wanted` would change nothing."""
    return (
        row is not None
        and row.spec_hash == wanted.spec_hash
        and row.labels == wanted.labels
        and row.annotations == wanted.annotations
    )


def next_row(key: Key, row: Row | None, wanted: Manifest, now: float) -> Row:
    """Returns the object after the write, not yet judged; its version is still the old one."""
    if row is None:
        row = Row(key, ids.uuid7(), 0, 0, rfc3339(now), {}, {}, "", b"{}", {}, "", 0)
    changed = row.spec_hash != wanted.spec_hash
    return replace(
        row,
        generation=row.generation + 1 if changed else row.generation,
        labels=wanted.labels,
        annotations=wanted.annotations,
        spec_hash=wanted.spec_hash,
        spec_json=codec.dumps(wanted.spec) if changed else row.spec_json,
    )


def is_projected(row: Row, wanted: Manifest, source: Source) -> bool:
    """True if `row` is the object already that the API server has."""
    return row.generation == source.generation and is_unchanged(row, wanted)


def projected_row(
    key: Key, row: Row | None, wanted: Manifest, source: Source, found: Mapping[str, Any]
) -> Row:
    """Returns the object as the API server has it, not yet judged; its version is still the old one."""
    if row is None:
        row = Row(key, source.uid, 0, 0, source.created_at, {}, {}, "", b"{}", dict(found), "", 0)
    # What was in force stays in force while only the generation moves on.
    accepted = (
        source.generation if row.accepted and row.spec_hash == wanted.spec_hash else row.accepted_generation
    )
    return replace(
        row,
        generation=source.generation,
        accepted_generation=accepted,
        labels=wanted.labels,
        annotations=wanted.annotations,
        spec_hash=wanted.spec_hash,
        spec_json=codec.dumps(wanted.spec),
    )


def judged(row: Row, problems: Sequence[Problem], now: float) -> Row:
    """Returns the row with the verdict on its spec: without problems it is in force from now on."""
    if not problems:
        row = replace(row, revision=revision_name(row.key, row.spec_hash), accepted_generation=row.generation)
    verdict = conditions.accepted(problems, row.revision)
    return with_conditions(row, [verdict], now)


def with_conditions(
    row: Row, wanted: Sequence[conditions.Condition], now: float, generation: int | None = None
) -> Row:
    """Returns the row with conditions merged into its status."""
    present = row.status.get("conditions", [])
    observed = row.generation if generation is None else generation
    merged = conditions.merged(present, wanted, observed, rfc3339(now))
    return replace(row, status=row.status | {"conditions": merged})


def concluded(row: Row, wanted: Sequence[conditions.Condition], fields: Mapping[str, Any], now: float) -> Row:
    """Returns the row with a status that says what was concluded of its spec.

    `fields` are further fields of the status; an empty one is left out.
    """
    row = with_conditions(row, wanted, now)
    status = row.status | {"observedGeneration": row.generation}
    if row.revision:
        status["revision"] = row.revision
    status = {name: value for name, value in {**status, **fields}.items() if value or name not in fields}
    return replace(row, status=status)
