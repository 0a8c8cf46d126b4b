"""The graph of a workflow: edges lead somewhere, every node can be reached, every loop is bounded."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from quarterdeck.resources.errors import FieldError
from quarterdeck.resources.field_errors import closest
from quarterdeck.resources.workflow import Node, Workflow, WorkflowSpec


@dataclass(frozen=True, slots=True)
class Way:
    """One way on from a node, with the path of the field that says so."""

    source: str
    target: str
    path: str


def ways_on(node: Node, index: int) -> Iterator[Way]:
    """Yield every way on from a node: edges, cases of a decision, catches."""
    base = f"spec.nodes[{index}]"
    for i, edge in enumerate(node.next):
        yield Way(node.name, edge.to, f"{base}.next[{i}].to")
    if node.decision:
        for i, case in enumerate(node.decision.cases):
            yield Way(node.name, case.to, f"{base}.decision.cases[{i}].to")
        if node.decision.otherwise:
            yield Way(node.name, node.decision.otherwise, f"{base}.decision.otherwise")
    for i, rule in enumerate(node.catch):
        yield Way(node.name, rule.to, f"{base}.catch[{i}].to")


def all_ways(spec: WorkflowSpec) -> list[Way]:
    """Return every way in the workflow, in order of the nodes."""
    return [way for index, node in enumerate(spec.nodes) for way in ways_on(node, index)]


def successors(spec: WorkflowSpec) -> dict[str, list[str]]:
    """Return for each node the existing nodes that may come next."""
    known: dict[str, list[str]] = {node.name: [] for node in spec.nodes}
    for way in all_ways(spec):
        if way.target in known:
            known[way.source].append(way.target)
    return known


def reachable(graph: Mapping[str, list[str]], *starts: str) -> set[str]:
    """Return the nodes that can be reached from `starts`, those included."""
    seen: set[str] = set()
    pending = [start for start in starts if start in graph]
    while pending:
        name = pending.pop()
        if name not in seen:
            seen.add(name)
            pending.extend(graph[name])
    return seen


def unknown_targets(workflow: Workflow) -> Iterator[FieldError]:
    """Every edge, case, catch, start and finally names a node of the workflow."""
    spec = workflow.spec
    names = [node.name for node in spec.nodes]
    named = [(way.target, way.path) for way in all_ways(spec)]
    named += [(spec.start, "spec.start")] if spec.start else []
    named += [(spec.finally_, "spec.finally")] if spec.finally_ else []
    for target, path in named:
        if target not in names:
            hint = closest(target, names) or f"nodes: {', '.join(names[:20])}"
            yield FieldError(path, f"there is no node {target!r}", hint)


def unreachable_nodes(workflow: Workflow) -> Iterator[FieldError]:
    """Every node can be reached from the start or from finally."""
    spec = workflow.spec
    starts = [spec.start_node, *([spec.finally_] if spec.finally_ else [])]
    reached = reachable(successors(spec), *starts)
    for index, node in enumerate(spec.nodes):
        if node.name not in reached:
            path = f"spec.nodes[{index}].name"
            yield FieldError(path, f"no way leads to node {node.name!r}", "add an edge to it or remove it")


def dead_edges(workflow: Workflow) -> Iterator[FieldError]:
    """No edge stands after one that is always taken."""
    for index, node in enumerate(workflow.spec.nodes):
        always = next((i for i, edge in enumerate(node.next) if edge.when is None), len(node.next))
        if always < len(node.next) - 1:
            path = f"spec.nodes[{index}].next[{always + 1}]"
            yield FieldError(path, "this edge is never taken", "put the edge without 'when' last")


def unbounded_cycles(workflow: Workflow) -> Iterator[FieldError]:
    """Every cycle passes a node with `maxVisits`."""
    spec = workflow.spec
    bounded = {node.name for node in spec.nodes if node.max_visits is not None}
    graph = {
        name: [target for target in targets if target not in bounded]
        for name, targets in successors(spec).items()
        if name not in bounded
    }
    index = {node.name: i for i, node in enumerate(spec.nodes)}
    for cycle in _cycles(graph):
        first = min(cycle, key=lambda name: index[name])
        turn = cycle.index(first)
        shown = " → ".join([*cycle[turn:], *cycle[:turn], first])
        path = f"spec.nodes[{index[first]}]"
        yield FieldError(path, f"the loop {shown} has no bound", "give one of its nodes maxVisits")


def _cycles(graph: Mapping[str, list[str]]) -> Iterator[list[str]]:
    """Yield one cycle for each place where a depth-first walk meets its own path; no stack is used."""
    done: set[str] = set()
    for start in graph:
        path: list[str] = []
        pending: list[tuple[str, bool]] = [(start, False)]
        while pending:
            name, leaving = pending.pop()
            if leaving:
                path.pop()
                done.add(name)
            elif name in path:
                yield path[path.index(name) :]
            elif name not in done:
                path.append(name)
                pending.append((name, True))
                pending.extend((target, False) for target in reversed(graph[name]))


def finally_is_apart(workflow: Workflow) -> Iterator[FieldError]:
    """The path from `finally` and the main path share no node."""
    spec = workflow.spec
    if not spec.finally_:
        return
    graph = successors(spec)
    shared = reachable(graph, spec.start_node) & reachable(graph, spec.finally_)
    if shared:
        names = ", ".join(node.name for node in spec.nodes if node.name in shared)
        message = f"the main path and the path from finally share {names}"
        yield FieldError("spec.finally", message, "give finally nodes of its own")


def bodies(workflow: Workflow) -> Iterator[FieldError]:
    """What the schema cannot say about a node's own part."""
    for index, node in enumerate(workflow.spec.nodes):
        if node.map and node.map.tool and node.map.input is not None:
            path = f"spec.nodes[{index}].map.input"
            yield FieldError(path, "a tool takes no input", "map.tool.arguments sees item and index")
