"""Pinned specs, compiled once: templates, conditions, edges and error rules ready to use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from quarterdeck.common.proofs.holders import NOTHING, Uses
from quarterdeck.resources.durations import duration_seconds
from quarterdeck.resources.expressions import Expression
from quarterdeck.resources.templates import Template, compile_condition, compile_template
from quarterdeck.runtime.uses import uses_of_agent, uses_of_workflow

VARIANTS = (
    "agent",
    "tool",
    "memory",
    "decision",
    "parallel",
    "map",
    "approval",
    "wait",
    "workflow",
    "transform",
)


@dataclass(frozen=True, slots=True)
class Edge:
    """Where a path goes on; `when` is None for an edge that is always taken."""

    to: str
    when: Expression | None


@dataclass(frozen=True, slots=True)
class RetryRule:
    """How often and how fast a class of errors is tried again. Times in seconds."""

    errors: frozenset[str]
    attempts: int
    delay: float
    factor: float
    longest: float
    jitter: float
    total: float | None


@dataclass(frozen=True, slots=True)
class Catch:
    """The node that handles a class of errors."""

    errors: frozenset[str]
    to: str


@dataclass(frozen=True, slots=True)
class Node:
    """A node of a workflow, or a branch of a parallel one.

    `body` is the variant's spec, `template` the same compiled (whole, so that it renders in
    one go where a variant wants that).
    """

    name: str
    kind: str
    body: Mapping[str, Any]
    template: Template
    parts: Mapping[str, Template] = field(default_factory=dict)
    edges: tuple[Edge, ...] = ()
    otherwise: str = ""
    retry: tuple[RetryRule, ...] = ()
    catch: tuple[Catch, ...] = ()
    timeout: float | None = None
    undo: Node | None = None
    max_visits: int | None = None
    branches: tuple[Node, ...] = ()


@dataclass(frozen=True, slots=True)
class WorkflowDefinition:
    """A compiled Workflow."""

    name: str
    start: str
    nodes: Mapping[str, Node]
    final: str
    output: Template | None
    timeout: float | None
    input_schema: Mapping[str, Any] | None
    budget: Mapping[str, int]
    uses: Uses = NOTHING


@dataclass(frozen=True, slots=True)
class AgentDefinition:
    """A compiled Agent. `spec` is the pinned spec itself, for what needs no compiling."""

    name: str
    spec: Mapping[str, Any]
    instructions: Template
    timeout: float | None
    input_schema: Mapping[str, Any] | None
    output_schema: Mapping[str, Any] | None
    budget: Mapping[str, int]
    turns: int
    uses: Uses = NOTHING


Definition = WorkflowDefinition | AgentDefinition


def lane_of(definition: Definition) -> dict[str, Any]:
    """Returns what a run's place in the queue says about the limit that it shares with its agent's others."""
    return lane_in(definition.name, definition.spec) if isinstance(definition, AgentDefinition) else {}


def lane_in(name: str, spec: Mapping[str, Any]) -> dict[str, Any]:
    """Does the same from an Agent's pinned spec."""
    limit = (spec.get("limits") or {}).get("concurrency")
    return {"lane": name, "lane_limit": int(limit)} if limit else {}


def compile_definition(kind: str, name: str, spec: Mapping[str, Any], default_turns: int) -> Definition:
    """Compiles a pinned spec. Raises ExpressionError; an accepted revision never does."""
    return _workflow(name, spec) if kind == "Workflow" else _agent(name, spec, default_turns)


def _workflow(name: str, spec: Mapping[str, Any]) -> WorkflowDefinition:
    nodes = {node["name"]: _node(node) for node in spec["nodes"]}
    output = spec.get("output")
    return WorkflowDefinition(
        name=name,
        start=spec.get("start") or spec["nodes"][0]["name"],
        nodes=nodes,
        final=spec.get("finally") or "",
        output=compile_template(output) if output is not None else None,
        timeout=_seconds(spec.get("timeout")),
        input_schema=(spec.get("input") or {}).get("schema"),
        budget=_budget(spec.get("budget") or {}),
        uses=uses_of_workflow(spec["nodes"]),
    )


def _agent(name: str, spec: Mapping[str, Any], default_turns: int) -> AgentDefinition:
    limits = spec.get("limits") or {}
    return AgentDefinition(
        name=name,
        spec=spec,
        instructions=compile_template(spec.get("instructions", "")),
        timeout=_seconds(limits.get("timeout")),
        input_schema=(spec.get("input") or {}).get("schema"),
        output_schema=(spec.get("output") or {}).get("schema"),
        budget=_budget(limits),
        turns=int(limits.get("turns") or default_turns),
        uses=uses_of_agent(spec),
    )


def _budget(data: Mapping[str, Any]) -> dict[str, int]:
    """Returns {"cost": millionths of a US dollar, "tokens": n}, only what is limited."""
    budget = {}
    if data.get("costUsd") is not None:
        budget["cost"] = round(float(data["costUsd"]) * 1_000_000)
    if data.get("tokens") is not None:
        budget["tokens"] = int(data["tokens"])
    return budget


def _node(data: Mapping[str, Any]) -> Node:
    kind = next(variant for variant in VARIANTS if data.get(variant) is not None)
    body: Mapping[str, Any] = data[kind]
    undo = data.get("compensate")
    return Node(
        name=data["name"],
        kind=kind,
        body=body,
        template=compile_template(_rendered_part(kind, body)),
        parts=_parts(kind, body),
        edges=_edges(data, kind, body),
        otherwise=str(body.get("otherwise") or "") if kind == "decision" else "",
        retry=tuple(_retry(rule) for rule in data.get("retry") or ()),
        catch=tuple(
            Catch(frozenset(rule.get("errors") or ()), rule["to"]) for rule in data.get("catch") or ()
        ),
        timeout=_seconds(data.get("timeout")),
        undo=_node({"name": f"{data['name']}!undo", **undo}) if undo else None,
        max_visits=data.get("maxVisits"),
        branches=tuple(_node(branch) for branch in body["branches"]) if kind == "parallel" else (),
    )


def _rendered_part(kind: str, body: Mapping[str, Any]) -> Any:
    """Returns what of a body is rendered when its step begins; the rest is compiled by part."""
    if kind in ("parallel", "decision"):
        return {}
    if kind == "map":
        return body["items"]
    return body


def _parts(kind: str, body: Mapping[str, Any]) -> dict[str, Template]:
    if kind == "map":
        return {
            "input": compile_template(body.get("input", "${item}")),
            "tool": compile_template(body.get("tool")),
        }
    return {}


def _edges(data: Mapping[str, Any], kind: str, body: Mapping[str, Any]) -> tuple[Edge, ...]:
    if kind == "decision":
        return tuple(Edge(case["to"], compile_condition(case["when"])) for case in body.get("cases") or ())
    following = data.get("next") or ()
    if isinstance(following, str):
        return (Edge(following, None),)
    return tuple(_edge(edge) for edge in following)


def _edge(edge: str | Mapping[str, Any]) -> Edge:
    if isinstance(edge, str):
        return Edge(edge, None)
    return Edge(edge["to"], compile_condition(edge["when"]) if edge.get("when") else None)


def _retry(rule: Mapping[str, Any]) -> RetryRule:
    return RetryRule(
        errors=frozenset(rule.get("errors") or ()),
        attempts=int(rule.get("attempts", 3)),
        delay=_seconds(rule.get("delay")) or 0.0,
        factor=float(rule.get("factor", 2)),
        longest=_seconds(rule.get("maxDelay")) or 60.0,
        jitter=float(rule.get("jitter", 0.1)),
        total=_seconds(rule.get("totalTime")),
    )


def _seconds(text: Any) -> float | None:
    if text is None:
        return None
    return float(duration_seconds(text)) if isinstance(text, str) else float(text)
