"""What an object says by itself, and beside the objects that it names: what its conditions are made of."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from quarterdeck.registry import manifests, parsed
from quarterdeck.registry.conditions import Problem
from quarterdeck.registry.records import Key, is_cluster_scoped

if TYPE_CHECKING:
    from quarterdeck.resources.metadata import Resource
    from quarterdeck.resources.references import Reference


@dataclass(frozen=True, slots=True)
class Read:
    """An object, and what its expressions and settings say.

    Args:
        misfits: expressions in force that do not fit the objects that they read.
        unenforced: what nothing enforces yet.
        untyped: paths of expressions that have no type before they run.
    """

    resource: Resource
    misfits: list[Problem]
    unenforced: list[Problem]
    untyped: list[str]


def read_alone(resource: Resource, *, in_cluster: bool) -> Read:
    """Returns what there is to say of an object by itself. May take long; not for the event loop."""
    from quarterdeck.resources.enforcement import not_enforced

    unenforced = [manifests.problem_of(error) for error in not_enforced(resource, in_cluster=in_cluster)]
    return Read(resource, [], unenforced, parsed.untyped_of(resource, manifests.finder({})))


def beside(read: Read, others: manifests.Others, *, accepted: bool) -> Read:
    """Returns what was read, as it is beside the objects that it names. Not for the event loop, either."""
    find = manifests.finder(others)
    # What is not in force says it in its condition Accepted.
    misfits = parsed.misfits_of(read.resource, find) if accepted else []
    problems = [manifests.problem_of(error) for error in misfits]
    return replace(read, misfits=problems, untyped=parsed.untyped_of(read.resource, find))


def references_within(holder: Key, resource: Resource) -> list[Reference]:
    """Returns the references that can be judged here.

    What a cluster-scoped object names in "its" tenant is looked up in each tenant when it is used.
    """
    references = parsed.references_of(resource)
    return [item for item in references if holder.tenant_id or is_cluster_scoped(item.kind)]
