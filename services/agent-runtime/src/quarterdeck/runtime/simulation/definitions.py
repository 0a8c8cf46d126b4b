"""The workflows and agents that a simulation runs: every kind of node, and every way that one can go."""

from __future__ import annotations

from typing import Any

from quarterdeck.runtime.simulation import generated
from quarterdeck.runtime.simulation.tools import SERVER

Spec = dict[str, Any]


def _tool(name: str, tool: str, then: Any = None, **more: Any) -> Spec:
    arguments = {"key": f"${{run.id}}/{name}", **more.pop("arguments", {})}
    node = {"name": name, "tool": {"server": SERVER, "name": tool, "arguments": arguments}, **more}
    return {**node, "next": [{"to": then}]} if then else node


def _workflow(*nodes: Spec, **more: Any) -> Spec:
    return {"nodes": list(nodes), **more}


_FLAKY: Spec = {"arguments": {"fails": 2}}
_RETRY: list[Spec] = [{"errors": ["tool"], "attempts": 4, "delay": "300ms", "factor": 2, "jitter": 0.1}]
# Attempts of "retrying" that may come to nothing for other reasons than that the tool says so.
SPARE_ATTEMPTS: int = _RETRY[0]["attempts"] - _FLAKY["arguments"]["fails"]
_UNDO: Spec = {
    "compensate": {"tool": {"server": SERVER, "name": "refund", "arguments": {"key": "undo ${output.done}"}}}
}
_SHAPE: Spec = {
    "name": "shape",
    "transform": {"output": {"a": "${nodes.a.output.done}", "c": "${nodes.c.output.done}"}},
}

WORKFLOWS: dict[str, Spec] = {
    "chain": _workflow(_tool("a", "pay", "b"), _tool("b", "post", "c"), _tool("c", "put", "shape"), _SHAPE),
    "wiring": _workflow(_tool("a", "wire", "b"), _tool("b", "pay")),
    "retrying": _workflow(_tool("a", "flaky", "b", **_FLAKY, retry=_RETRY), _tool("b", "pay")),
    "catching": _workflow(
        _tool("a", "flaky", arguments={"fails": 99}, catch=[{"errors": ["tool"], "to": "b"}]),
        _tool("b", "pay"),
    ),
    "undoing": _workflow(
        _tool("a", "pay", "b", arguments={"key": "${run.id}/undo/a"}, **_UNDO),
        _tool("b", "put", "c", arguments={"key": "${run.id}/undo/b"}, **_UNDO),
        _tool("c", "flaky", arguments={"fails": 99}),
    ),
    "parked": _workflow(_tool("a", "away", "b", arguments={"fails": 2}), _tool("b", "pay")),
    "item": _workflow(
        _tool("a", "put", "rest", arguments={"key": "${run.id}/${input.n}"}),
        {"name": "rest", "wait": {"duration": "200ms"}, "next": [{"to": "out"}]},
        {"name": "out", "transform": {"output": "${input.n}"}},
        input={"schema": {"type": "object", "required": ["n"]}},
    ),
    "failing-item": _workflow(
        {
            "name": "which",
            "decision": {"cases": [{"when": "${input.n == 1}", "to": "bad"}], "otherwise": "good"},
        },
        _tool("bad", "flaky", arguments={"fails": 99}),
        _tool("good", "post"),
    ),
    "mapping": _workflow(
        {
            "name": "each",
            "map": {
                "items": "${input.items}",
                "workflow": "item",
                "input": {"n": "${item}"},
                "maxConcurrency": 3,
            },
            "next": [{"to": "after"}],
        },
        _tool("after", "pay", "out"),
        {"name": "out", "transform": {"output": "${nodes.each.output}"}},
    ),
    "bulky-item": _workflow(
        _tool("a", "bulk"),
        input={"schema": {"type": "object", "required": ["n"]}},
    ),
    "mapping-bulky": _workflow(
        {
            "name": "each",
            "map": {"items": "${input.items}", "workflow": "bulky-item", "input": {"n": "${item}"}},
            "next": [{"to": "out"}],
        },
        {"name": "out", "transform": {"output": "${size(nodes.each.output)}"}},
    ),
    "mapping-tools": _workflow(
        {
            "name": "each",
            "map": {
                "items": "${input.items}",
                "tool": {
                    "server": SERVER,
                    "name": "post",
                    "arguments": {"key": "${run.id}/each/${item}"},
                },
            },
        },
    ),
    "mapping-tolerant": _workflow(
        {
            "name": "each",
            "map": {
                "items": "${input.items}",
                "workflow": "failing-item",
                "input": {"n": "${item}"},
                "tolerateFailures": 1,
            },
        },
    ),
    "both": _workflow(
        {
            "name": "all",
            "parallel": {
                "branches": [
                    _tool("x", "pay"),
                    {"name": "y", "workflow": {"name": "item", "input": {"n": 7}}},
                    {"name": "z", "agent": {"name": "talker", "input": {"message": "hello"}}},
                ],
                "join": "all",
            },
        },
    ),
    "either": _workflow(
        {
            "name": "any",
            "parallel": {
                "branches": [
                    _tool("x", "put"),
                    {"name": "y", "workflow": {"name": "sleeper", "input": {}}},
                ],
                "join": "any",
            },
            "next": [{"to": "after"}],
        },
        _tool("after", "pay"),
    ),
    "sleeper": _workflow({"name": "nap", "wait": {"duration": "8s"}}),
    "waiting": _workflow(
        {"name": "nap", "wait": {"duration": "1500ms"}, "next": [{"to": "a"}]}, _tool("a", "pay")
    ),
    "impatient": _workflow(
        {
            "name": "sub",
            "workflow": {"name": "sleeper", "input": {}},
            "timeout": "1s",
            "catch": [{"errors": ["timeout"], "to": "b"}],
        },
        _tool("b", "pay"),
    ),
    "listening": _workflow(
        {"name": "first", "wait": {"signal": {"name": "go"}}, "next": [{"to": "a"}]},
        _tool("a", "pay", "second", arguments={"key": "${run.id}/${nodes.first.output.n}"}),
        {"name": "second", "wait": {"signal": {"name": "go"}}},
        output={"first": "${nodes.first.output.n}", "second": "${nodes.second.output.n}"},
    ),
    "listening-in-vain": _workflow(
        {
            "name": "first",
            "wait": {"signal": {"name": "go", "timeout": "2s"}},
            "catch": [{"errors": ["timeout"], "to": "a"}],
        },
        _tool("a", "pay"),
    ),
    "forever": _workflow(
        _tool("a", "put", "never"), {"name": "never", "wait": {"signal": {"name": "never"}}}
    ),
    "asking": _workflow(
        {
            "name": "ask",
            "approval": {"policy": "boss", "title": "May I?"},
            "next": [{"to": "yes", "when": "${nodes.ask.output.approved}"}, {"to": "no"}],
        },
        _tool("yes", "pay"),
        _tool("no", "put"),
    ),
    "asking-in-vain": _workflow(
        {
            "name": "ask",
            "approval": {"policy": "quick", "title": "Is anybody there?"},
            "next": [{"to": "a"}],
        },
        _tool("a", "pay"),
    ),
    "guarded": _workflow(_tool("a", "guarded", "b"), _tool("b", "post")),
    "deep": _workflow(
        {"name": "sub", "workflow": {"name": "deeper", "input": {}}, "next": [{"to": "a"}]},
        _tool("a", "pay"),
        _tool("last", "put"),
        **{"finally": "last"},
    ),
    "deeper": _workflow(
        _tool("a", "post", "sub"), {"name": "sub", "workflow": {"name": "item", "input": {"n": 3}}}
    ),
    "brief": _workflow(
        _tool("a", "pay", "nap"),
        {"name": "nap", "wait": {"duration": "1h"}},
        _tool("last", "put"),
        timeout="3s",
        **{"finally": "last"},
    ),
    "remembering": _workflow(
        {
            "name": "save",
            "memory": {"collection": "notes", "save": {"id": "${run.id}", "text": "a note"}},
            "next": [{"to": "look"}],
        },
        {
            "name": "look",
            "memory": {"collection": "notes", "search": {"query": "${run.id}", "limit": 1}},
            "next": [{"to": "forget"}],
        },
        {"name": "forget", "memory": {"collection": "notes", "delete": {"ids": ["${run.id}"]}}},
    ),
    "bulky": _workflow(
        _tool("a", "bulk", "shape"),
        {
            "name": "shape",
            "transform": {"output": "${nodes.a.output.done + string(size(nodes.a.output.text))}"},
            "next": [{"to": "b"}],
        },
        _tool("b", "pay", arguments={"note": "${nodes.a.output}"}),
    ),
    "too-much": _workflow(
        _tool("pay", "pay", "a", arguments={"key": "${run.id}/undo/pay"}, **_UNDO),
        _tool("a", "bulk", "ask"),
        {"name": "ask", "approval": {"policy": "boss", "title": "?", "data": "${nodes.a.output}"}},
    ),
    "poison": _workflow(
        _tool("a", "pay", "b"),
        _tool("b", "bomb", "c", arguments={"times": "${input.times}"}),
        _tool("c", "post"),
    ),
    "calling": _workflow(
        {"name": "ask", "agent": {"name": "leader", "input": {"message": "lead"}}, "next": [{"to": "a"}]},
        _tool("a", "pay"),
    ),
}


def _agent(*tools: str, **more: Any) -> Spec:
    spec: Spec = {"instructions": "Do it.", "model": {"route": "default"}, **more}
    if tools:
        spec["tools"] = [{"server": SERVER, "names": list(tools)}]
    return spec


AGENTS: dict[str, Spec] = {
    "helper": _agent("pay", "post", "put", limits={"turns": 6, "costUsd": 0.03}),
    "talker": _agent(limits={"turns": 3}),
    "chatty": _agent("put", context={"maxTokens": 60, "keepTurns": 1}, limits={"turns": 9}),
    "asker": _agent("guarded", askPerson={"policy": "boss"}),
    "leader": _agent(agents=[{"name": "helper"}, {"name": "talker"}], limits={"costUsd": 0.1}),
}

SPECS: dict[str, Spec] = {
    **{f"Workflow/{name}": spec for name, spec in {**WORKFLOWS, **generated.workflows()}.items()},
    **{f"Agent/{name}": spec for name, spec in AGENTS.items()},
}
# Seconds after which an approval under a policy expires; others never do.
EXPIRES = {"quick": 2.0}
