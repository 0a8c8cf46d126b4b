"""Definitions that came in a file: looked at like an applied manifest, and kept under names of their own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from quarterdeck.common import codec
from quarterdeck.common.constants import API_VERSION
from quarterdeck.common.errors import InvalidArgument
from quarterdeck.resources.errors import ValidationFailed
from quarterdeck.runtime.constants import DEFAULT_AGENT_TURNS
from quarterdeck.runtime.definition import Definition as Compiled
from quarterdeck.runtime.definition import compile_definition
from quarterdeck.runtime.store.definitions import Revisions, closure_id
from quarterdeck.runtime.transfer.entries import Definition, Run
from quarterdeck.runtime.transfer.parcel import Parcel


def compiled(definition: Definition) -> Compiled:
    """Compiles a definition from a file; slow. Raises InvalidArgument if no manifest could say it."""
    what = f"{definition.kind} {definition.name}"
    try:
        problems = [] if _is_one_call(definition.spec) else _problems(definition)
        if not problems:
            return compile_definition(definition.kind, definition.name, definition.spec, DEFAULT_AGENT_TURNS)
    except ValidationFailed as refused:
        problems = [str(error) for error in refused.errors]
    except Exception as error:  # whatever is wrong with a spec that nobody has looked at
        problems = [str(error) or type(error).__name__]
    raise InvalidArgument(
        f"the file's definition of {what} is refused: {'; '.join(problems[:5])}", field="file"
    )


def _problems(definition: Definition) -> list[str]:
    from quarterdeck.resources.kinds import parse_object
    from quarterdeck.resources.validation import validate

    metadata = {"name": definition.name}
    content = {"apiVersion": API_VERSION, "kind": definition.kind, "metadata": metadata}
    return [str(error) for error in validate(parse_object({**content, "spec": definition.spec}))]


def _is_one_call(spec: Mapping[str, Any]) -> bool:
    """True for what the runtime makes by itself for a single tool call; it is no manifest."""
    nodes = spec.get("nodes")
    return (
        spec.keys() == {"nodes"}
        and isinstance(nodes, list)
        and len(nodes) == 1
        and isinstance(nodes[0], dict)
        and nodes[0].keys() == {"name", "tool"}
    )


def imported_revision(definition: Definition) -> str:
    """Returns the revision's name here. The registry gives none like it: a file cannot speak for it."""
    return f"{definition.kind}/{definition.name}@import-{codec.digest(definition.spec)[:40]}"


@dataclass(slots=True)
class Pins:
    """What the runs of a file pin, under the names that it has here; keyed by the file's closures.

    Args:
        closures: the ids that the closures have here.
        specs: as `definitions.save_pins` takes them.
    """

    closures: dict[str, str] = field(default_factory=dict)
    revisions: dict[str, Revisions] = field(default_factory=dict)
    specs: dict[str, list[tuple[str, str, str, bytes]]] = field(default_factory=dict)
    budgets: dict[str, Mapping[str, int]] = field(default_factory=dict)

    def budget(self, run: Run) -> Mapping[str, int]:
        """Returns what a fork of a run may spend: what its definition says."""
        return self.budgets[self.revisions[run.closure][f"{run.kind}/{run.name}"]]


def pins_of(parcel: Parcel) -> Pins:
    """Returns what the runs of a file pin; slow. Raises InvalidArgument for what no manifest could say."""
    pins = Pins()
    names = {revision: imported_revision(found) for revision, found in parcel.definitions.items()}
    for revision, found in parcel.definitions.items():
        pins.budgets[names[revision]] = compiled(found).budget
    for closure, revisions in parcel.closures.items():
        here = {key: names[revision] for key, revision in revisions.items()}
        pins.revisions[closure] = here
        pins.closures[closure] = closure_id(here)
        pins.specs[closure] = [
            (names[revision], found.kind, found.name, codec.dumps(found.spec))
            for revision in revisions.values()
            for found in [parcel.definitions[revision]]
        ]
    return pins
