"""Reads a manifest: what is refused at once, and what makes a spec not acceptable."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from quarterdeck.common import codec
from quarterdeck.common.errors import InvalidArgument
from quarterdeck.registry import playbooks
from quarterdeck.registry.conditions import Problem
from quarterdeck.registry.constants import MAX_MANIFEST_BYTES, REASON_INVALID_SPEC

if TYPE_CHECKING:
    from quarterdeck.resources.errors import FieldError
    from quarterdeck.resources.metadata import Resource

    # The specs in force of the objects that an object names, by kind and name.
    Others = Mapping[tuple[str, str], Resource]


@dataclass(frozen=True, slots=True)
class Manifest:
    """What somebody wants an object to be.

    Args:
        version: the resource version that it was made from; empty for any.
        problems: why the spec cannot be in force, as far as it and the objects that it was judged with say.
        parsed: the model that it was read into.
    """

    kind: str
    name: str
    namespace: str
    labels: dict[str, str]
    annotations: dict[str, str]
    uid: str
    version: str
    spec: dict[str, Any]
    spec_hash: str
    problems: tuple[Problem, ...]
    parsed: Resource


def read(data: bytes) -> Manifest:
    """Reads a manifest from JSON. May take long; not for the event loop.

    Raises:
        InvalidArgument: it is too large, not JSON, or refused by its kind's schema; with every violation.
    """
    if len(data) > MAX_MANIFEST_BYTES:
        raise InvalidArgument(
            f"the manifest has {len(data)} bytes, more than {MAX_MANIFEST_BYTES}",
            field="object",
            hint="move large texts into artifacts",
        )
    content = codec.loads_field(data, "object")
    if not isinstance(content, dict):
        raise InvalidArgument("a manifest must be a JSON object", field="object")
    return of_object(content)


def of_object(content: dict[str, Any]) -> Manifest:
    """Reads a manifest from what its JSON says. Raises InvalidArgument with every violation."""
    from quarterdeck.resources.errors import ValidationFailed
    from quarterdeck.resources.kinds import parse_object

    try:
        parsed = parse_object(content)
    except ValidationFailed as refused:
        raise refusal(refused.errors, str(content.get("kind", "manifest"))) from None
    from quarterdeck.resources.diff import spec_hash
    from quarterdeck.resources.validation import validate

    # Defaults are stored, as an API server does: columns, diffs and revisions then say all that holds.
    spec = parsed.spec.to_json()
    return Manifest(
        kind=parsed.kind,
        name=parsed.metadata.name,
        namespace=parsed.metadata.namespace or "",
        labels=parsed.metadata.labels or {},
        annotations=parsed.metadata.annotations or {},
        uid=parsed.metadata.uid or "",
        version=parsed.metadata.resource_version or "",
        spec=spec,
        spec_hash=spec_hash(spec),
        problems=tuple(problem_of(error) for error in (*validate(parsed), *playbooks.problems(parsed))),
        parsed=parsed,
    )


def judged_with(wanted: Manifest, others: Others) -> Manifest:
    """Returns the manifest judged beside the objects that it names. May take long; not for the event loop."""
    from quarterdeck.resources.validation import validate

    found = (*validate(wanted.parsed, finder(others)), *playbooks.problems(wanted.parsed))
    problems = tuple(problem_of(error) for error in found)
    return replace(wanted, problems=problems)


def finder(others: Others) -> Callable[[str, str], Resource | None]:
    """Returns what looks an object up among `others`."""
    return lambda kind, name: others.get((kind, name))


def problem_of(error: FieldError, reason: str = REASON_INVALID_SPEC) -> Problem:
    """Returns a field error as part of a condition, its hint included."""
    hint = f" ({error.hint})" if error.hint else ""
    return Problem(error.path, f"{error.message}{hint}", reason)


def refusal(errors: list[FieldError], what: str) -> InvalidArgument:
    """Returns the error for what a schema refuses, with every violation."""
    first = errors[0]
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    where = f"{first.path}: " if first.path else ""
    return InvalidArgument(
        f"{what} refused: {where}{first.message}{more}",
        field=first.path,
        hint=first.hint,
        reason="InvalidManifest",
        violations=[(error.path, problem_of(error).message) for error in errors],
    )
