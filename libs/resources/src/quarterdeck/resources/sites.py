"""Every place in an object where expressions stand, with the variables each one sees."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from quarterdeck.resources.agent import Agent
from quarterdeck.resources.cel_environment import DYN, INT, MAP, STRING, CelType
from quarterdeck.resources.mcpserver import MCPServer
from quarterdeck.resources.metadata import Resource
from quarterdeck.resources.policy import PlatformPolicy, Policy
from quarterdeck.resources.trigger import Trigger
from quarterdeck.resources.workflow import Node, Workflow
from quarterdeck.resources.workflow_calls import Compensation

RUN: dict[str, CelType] = {
    "run": DYN,
    "run.id": STRING,
    "run.tenant": STRING,
    "run.name": STRING,
    "run.labels": "map<string, string>",
    "run.startedAt": STRING,
}
"""`run` is an object with these fields; `startedAt` is RFC 3339 text."""

WORKFLOW: dict[str, CelType] = {"input": DYN, "nodes": DYN, "error": DYN, **RUN}
AGENT: dict[str, CelType] = {"input": DYN, **RUN}
POLICY: dict[str, CelType] = dict.fromkeys(
    ("principal", "tenant", "agent", "tool", "arguments", "cost", "now", "run", "taint"), DYN
)


@dataclass(frozen=True, slots=True)
class Site:
    """A template or condition in an object.

    `node` is the index of the workflow node it belongs to; `after` is true when it is evaluated after that
    node is done (so it may read the node's own output).
    """

    path: str
    value: Any
    kind: Literal["template", "condition"]
    variables: Mapping[str, CelType] = field(default_factory=dict)
    node: int | None = None
    after: bool = False


def sites(resource: Resource) -> Iterator[Site]:
    """Yield every site of an object that holds something."""
    finder = _FINDERS.get(resource.kind)
    for site in finder(resource) if finder else ():
        if site.value is not None:
            yield site


def _agent(agent: Agent) -> Iterator[Site]:
    yield Site("spec.instructions", agent.spec.instructions, "template", AGENT)


def _workflow(workflow: Workflow) -> Iterator[Site]:
    for index, node in enumerate(workflow.spec.nodes):
        yield from _node(node, f"spec.nodes[{index}]", index)
    yield Site("spec.output", workflow.spec.output, "template", WORKFLOW)


def _node(node: Node, path: str, index: int) -> Iterator[Site]:
    for name, value in _templates(node.body, node.variant):
        scope = {**WORKFLOW, "item": DYN, "index": INT} if node.map and name != "map.items" else WORKFLOW
        yield Site(f"{path}.{name}", value, "template", scope, index)
    if node.decision:
        for i, case in enumerate(node.decision.cases):
            yield Site(f"{path}.decision.cases[{i}].when", case.when, "condition", WORKFLOW, index)
    for i, edge in enumerate(node.next):
        yield Site(f"{path}.next[{i}].when", edge.when, "condition", WORKFLOW, index, after=True)
    if node.compensate:
        yield from _compensation(node.compensate, f"{path}.compensate", index)


def _compensation(compensation: Compensation, path: str, index: int) -> Iterator[Site]:
    variant = "tool" if compensation.tool else "workflow"
    for name, value in _templates(compensation.tool or compensation.workflow, variant):
        yield Site(f"{path}.{name}", value, "template", {**WORKFLOW, "output": DYN}, index, after=True)


_TEMPLATE_FIELDS: dict[str, tuple[str, ...]] = {
    "tool": ("arguments", "idempotency_key"),
    "agent": ("input", "session"),
    "workflow": ("input",),
    "transform": ("output",),
    "approval": ("title", "summary", "data"),
    "map": ("items", "input"),
    "search": ("query", "filter"),
    "save": ("id", "text", "payload"),
    "delete": ("ids", "filter"),
    "wait": ("until",),
}
_INNER: dict[str, tuple[str, ...]] = {"memory": ("search", "save", "delete"), "map": ("tool",)}


def _templates(body: Any, variant: str) -> Iterator[tuple[str, Any]]:
    """Yield the path inside the node and the value of every template of a node's own part."""
    for name in _TEMPLATE_FIELDS.get(variant, ()):
        alias = type(body).model_fields[name].alias
        yield f"{variant}.{alias}", getattr(body, name)
    for name in _INNER.get(variant, ()):
        if (inner := getattr(body, name)) is not None:
            yield from ((f"{variant}.{path}", value) for path, value in _templates(inner, name))
    if variant == "parallel":
        yield from _branches(body)


def _branches(parallel: Any) -> Iterator[tuple[str, Any]]:
    for index, branch in enumerate(parallel.branches):
        for variant in ("tool", "agent", "memory", "workflow", "transform"):
            if (body := getattr(branch, variant)) is not None:
                for path, value in _templates(body, variant):
                    yield f"parallel.branches[{index}].{path}", value


def _server(server: MCPServer) -> Iterator[Site]:
    for index, tool in enumerate(server.spec.tools):
        if check := tool.check:
            path = f"spec.tools[{index}].check"
            after: dict[str, CelType] = {"arguments": MAP, "result": DYN}
            yield Site(f"{path}.arguments", check.arguments, "template", {"arguments": MAP})
            yield Site(f"{path}.done", check.done, "condition", after)
            yield Site(f"{path}.notDone", check.not_done, "condition", after)
            yield Site(f"{path}.outcome", check.outcome, "template", after)


def _policy(policy: Policy | PlatformPolicy) -> Iterator[Site]:
    for index, rule in enumerate(policy.spec.rules):
        yield Site(f"spec.rules[{index}].when", rule.when, "condition", POLICY)


def _trigger(trigger: Trigger) -> Iterator[Site]:
    spec = trigger.spec
    source = "event" if spec.event else "request"
    scope: dict[str, CelType] = {"trigger": DYN} if spec.cron else {"trigger": DYN, source: DYN}
    yield Site("spec.input", spec.input, "template", scope)
    yield Site("spec.key", spec.key, "template", scope)
    if spec.event:
        yield Site("spec.event.filter", spec.event.filter, "condition", {"event": DYN})


_FINDERS: dict[str, Callable[[Any], Iterator[Site]]] = {
    "Agent": _agent,
    "Workflow": _workflow,
    "MCPServer": _server,
    "Policy": _policy,
    "PlatformPolicy": _policy,
    "Trigger": _trigger,
}
