"""What is known about the values that expressions read, as JSON Schemas by path.

`input` has the schema that the object declares. The output of a workflow's node has one where the node calls
an Agent (its `output.schema`, or text) or a Workflow whose output shows its shape, or is a transform. What
tools give is not known: their schemas are not part of an MCPServer object. An absent path is untyped.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from quarterdeck.resources.agent import Agent
from quarterdeck.resources.cel_environment import DYN, CelType
from quarterdeck.resources.cel_paths import Path
from quarterdeck.resources.errors import ExpressionError
from quarterdeck.resources.metadata import Resource
from quarterdeck.resources.schema_types import unknown_field, variables_of
from quarterdeck.resources.sites import Site
from quarterdeck.resources.template_text import Hole, split
from quarterdeck.resources.workflow import Node, Workflow

Schema = Mapping[str, Any]
Schemas = Mapping[Path, Schema]
Find = Callable[[str, str], Resource | None]
"""Looks up what an object names by kind and name: the spec in force, None when it is not known."""

MAX_TYPED = 1000
"""Most typed variables of one object; what is beyond has no type."""

TEXT: Schema = {"type": "string"}
UNKNOWN: Schema = {}

_NAMED = re.compile(r"\s*\w+(\.\w+|\['[^'\\]*'\])*\s*")
_STEP = re.compile(r"\['([^']*)'\]|(\w+)")
_LITERALS: tuple[tuple[type, str], ...] = ((bool, "boolean"), (int, "integer"), (float, "number"))


def nothing(kind: str, name: str) -> Resource | None:
    """A `Find` that knows no other object."""
    return None


def known_schemas(resource: Resource, find: Find) -> dict[Path, Schema]:
    """Return the schemas of what every expression of an object may read."""
    known: dict[Path, Schema] = {}
    if (declared := _input(resource)) is not None:
        known["input",] = declared
    if isinstance(resource, Workflow):
        for node in resource.spec.nodes:
            if schema := _output(node, known, find):
                known["nodes", node.name, "output"] = schema
    return known


def at_site(resource: Resource, site: Site, known: Schemas) -> Schemas:
    """Return the schemas of what only this site sees: the `item` of a map, the `output` that is undone."""
    if not isinstance(resource, Workflow) or site.node is None:
        return {}
    node = resource.spec.nodes[site.node]
    own = known.get(("nodes", node.name, "output"))
    if "output" in site.variables and own:
        return {("output",): own}
    items = of_template(node.map.items, known).get("items") if node.map and "item" in site.variables else None
    return {("item",): items} if isinstance(items, Mapping) else {}


def variables(known: Schemas) -> dict[str, CelType]:
    """Return the typed variables that these schemas give."""
    typed: dict[str, CelType] = {}
    for path, schema in known.items():
        if all(part.isidentifier() for part in path) and len(typed) < MAX_TYPED:
            root = ".".join(path)
            found = variables_of(root, schema)
            if len(path) > 1 and found[root] == DYN:
                del found[root]
            typed |= found
    return typed


def unknown_read(path: Path, known: Schemas) -> tuple[str, str] | None:
    """Return message and hint when a path reads what a closed object cannot have, else None."""
    base = _base(path, known)
    return unknown_field((".".join(base), *path[len(base) :]), known[base]) if base else None


def of_template(value: Any, known: Schemas) -> Schema:
    """Return the schema of what a template renders to, as far as it shows; `UNKNOWN` when it does not."""
    if isinstance(value, str):
        return _of_text(value, known)
    if isinstance(value, dict):
        fields = {key: of_template(item, known) for key, item in value.items()}
        return {"type": "object", "properties": fields, "additionalProperties": False}
    if isinstance(value, list):
        items = [of_template(item, known) for item in value]
        alike = items and all(item == items[0] for item in items)
        return {"type": "array", "items": items[0]} if alike else {"type": "array"}
    kind = next((name for literal, name in _LITERALS if isinstance(value, literal)), None)
    return {"type": kind} if kind else UNKNOWN


def _of_text(text: str, known: Schemas) -> Schema:
    try:
        parts = split(text)
    except ExpressionError:
        return UNKNOWN
    if len(parts) != 1 or not isinstance(parts[0], Hole):
        return TEXT
    if not _NAMED.fullmatch(parts[0].text):
        return UNKNOWN
    return _at(tuple(key or name for key, name in _STEP.findall(parts[0].text)), known)


def _at(path: Path, known: Schemas) -> Schema:
    base = _base(path, known)
    schema: Any = known[base] if base else UNKNOWN
    for name in path[len(base) :]:
        fields = schema.get("properties") if isinstance(schema, Mapping) else None
        schema = fields.get(name) if isinstance(fields, Mapping) else None
    return schema if isinstance(schema, Mapping) else UNKNOWN


def _base(path: Path, known: Schemas) -> Path:
    """Return the beginning of a path that has a schema, empty when there is none."""
    return next((path[:size] for size in (1, 3) if path[:size] in known), ())


def _input(resource: Resource) -> Schema | None:
    holder = getattr(resource.spec, "input", None) if resource.kind in ("Agent", "Workflow") else None
    return holder.schema_ if holder is not None else None


def _output(node: Node, known: Schemas, find: Find) -> Schema:
    if node.agent:
        return _of_agent(find("Agent", node.agent.name))
    if node.workflow:
        return _of_workflow(find("Workflow", node.workflow.name))
    return of_template(node.transform.output, known) if node.transform else UNKNOWN


def _of_agent(agent: Resource | None) -> Schema:
    if not isinstance(agent, Agent):
        return UNKNOWN
    return agent.spec.output.schema_ if agent.spec.output else TEXT


def _of_workflow(workflow: Resource | None) -> Schema:
    """What a Workflow's output shows by itself; what that calls in turn is not followed."""
    if not isinstance(workflow, Workflow) or workflow.spec.output is None:
        return UNKNOWN
    return of_template(workflow.spec.output, known_schemas(workflow, nothing))
