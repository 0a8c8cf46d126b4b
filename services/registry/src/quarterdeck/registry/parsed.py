"""Stored objects read back into the models of their kinds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from quarterdeck.common import codec
from quarterdeck.common.constants import API_VERSION

if TYPE_CHECKING:
    from quarterdeck.resources.errors import FieldError
    from quarterdeck.resources.known_schemas import Find
    from quarterdeck.resources.metadata import Resource
    from quarterdeck.resources.references import Reference


def of_json(object_json: bytes) -> Resource:
    """Returns the model of a stored object. Raises ValidationFailed if a later schema refuses it."""
    from quarterdeck.resources.kinds import parse_object

    return parse_object(codec.loads(object_json))


def of_spec(kind: str, name: str, spec: Any) -> Resource:
    """Returns the model of an object with that spec. Raises ValidationFailed."""
    from quarterdeck.resources.kinds import parse_object

    return parse_object({"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": name}, "spec": spec})


def references_of(resource: Resource) -> tuple[Reference, ...]:
    """Returns the references that must resolve."""
    from quarterdeck.resources.references import references

    return tuple(reference for reference in references(resource) if not reference.optional)


def misfits_of(resource: Resource, find: Find) -> list[FieldError]:
    """Returns what is wrong with the expressions of an object beside the objects that it names."""
    from quarterdeck.resources.validation.expressions import expressions

    return list(expressions(resource, find))


def untyped_of(resource: Resource, find: Find) -> list[str]:
    """Returns the paths of expressions whose type only shows when they run, as many as a status holds.

    Empty for a spec that does not compile, and for kinds whose status does not say it.
    """
    from quarterdeck.resources.errors import ExpressionError
    from quarterdeck.resources.validation.expressions import untyped

    most = _MOST_UNTYPED.get(resource.kind, 0)
    try:
        return [path[:_LONGEST_PATH] for path in untyped(resource, find)[:most]] if most else []
    except ExpressionError:
        return []


# What the kinds' schemas allow in `status.untyped`.
_MOST_UNTYPED = {"Agent": 128, "Workflow": 512}
_LONGEST_PATH = 253
