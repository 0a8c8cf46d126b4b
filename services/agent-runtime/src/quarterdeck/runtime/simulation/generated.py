"""Workflows that nobody would write: nodes and their options put together by chance, always the same ones."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from typing import Any

from quarterdeck.runtime.simulation.tools import SERVER

Spec = dict[str, Any]
COUNT = 80
# Of these the first are small and may be sub-workflows and items of the others.
SMALL = 20
# In the key of whatever has to be undone when its run does not succeed.
UNDOABLE = "/undo/"
_REFUND: Spec = {
    "tool": {"server": SERVER, "name": "refund", "arguments": {"key": "undo ${output.done}"}},
}
_ERRORS = (["tool"], ["*"], ["uncertain", "tool"], ["timeout"])


def workflows() -> dict[str, Spec]:
    """Returns the workflows by name, random-0 to random-79."""
    made = (_Maker(random.Random(f"workflow {number}"), number).workflow() for number in range(COUNT))
    return {f"random-{number}": spec for number, spec in enumerate(made)}


class _Maker:
    """Makes one workflow."""

    def __init__(self, chance: random.Random, number: int) -> None:
        self._chance = chance
        self._number = number
        self._names = 0

    def workflow(self) -> Spec:
        """Returns its spec: a path from node to node, with ways around some of them."""
        chance = self._chance
        small = self._number < SMALL
        nodes = [self._node() for _ in range(chance.randint(1, 3) if small else chance.randint(2, 6))]
        for here, after in itertools.pairwise(nodes):
            here["next"] = [{"to": after["name"]}]
        for index, node in enumerate(nodes):
            if chance.random() < 0.25:
                to = chance.choice([*nodes[index + 1 :], self._tool()])
                node["catch"] = [{"errors": chance.choice(_ERRORS), "to": to["name"]}]
                if to not in nodes:
                    nodes.append(to)
        spec: Spec = {"start": nodes[0]["name"], "nodes": nodes}
        if chance.random() < 0.25:
            nodes.append(self._tool(undoable=False))  # what `finally` does stays
            spec["finally"] = nodes[-1]["name"]
        if chance.random() < 0.2:
            spec["timeout"] = chance.choice(("1s", "3s", "6s"))
        if chance.random() < 0.15:
            spec["budget"] = {"costUsd": chance.choice((0.005, 0.02, 0.06))}
        return spec

    def _name(self) -> str:
        self._names += 1
        return f"n{self._names}"

    def _node(self) -> Spec:
        chance = self._chance
        makers: tuple[Callable[[], Spec], ...] = (
            self._map,
            self._parallel,
            self._sub,
            self._agent,
            self._wait,
            self._ask,
            self._transform,
        )
        if chance.random() < 0.45:
            return self._tool()
        return chance.choice(makers[2:] if self._number < SMALL // 2 else makers)()

    def _tool(self, *, undoable: bool = True) -> Spec:
        chance, name = self._chance, self._name()
        tool = chance.choice(("pay", "post", "put", "put", "wire", "flaky", "away", "guarded", "bulk"))
        undone = undoable and chance.random() < 0.3
        arguments: Spec = {"key": f"${{run.id}}{UNDOABLE if undone else '/'}{name}"}
        if tool in ("flaky", "away"):
            arguments["fails"] = chance.choice((1, 2, 99) if tool == "flaky" else (1, 2))
        node: Spec = {"name": name, "tool": {"server": SERVER, "name": tool, "arguments": arguments}}
        if undone:
            node["compensate"] = _REFUND
        if chance.random() < 0.3:
            node["retry"] = [{"errors": ["tool"], "attempts": chance.randint(2, 4), "delay": "200ms"}]
        return self._hurried(node)

    def _hurried(self, node: Spec) -> Spec:
        if self._chance.random() < 0.2:
            node["timeout"] = self._chance.choice(("100ms", "500ms", "2s"))
        return node

    def _again(self, node: Spec) -> Spec:
        if self._chance.random() < 0.3:
            errors = self._chance.choice((["tool"], ["timeout"], ["*"]))
            node["retry"] = [{"errors": errors, "attempts": 2, "delay": "300ms"}]
        return self._hurried(node)

    def _below(self) -> str:
        """Returns a workflow that this one may call."""
        return f"random-{self._chance.randrange(min(self._number, SMALL))}" if self._number else "item"

    def _map(self) -> Spec:
        chance = self._chance
        body: Spec = {"items": list(range(chance.randint(0, 5))), "input": {"n": "${item}"}}
        body |= chance.choice(({"workflow": self._below()}, {"workflow": "item"}, {"agent": "helper"}))
        if "agent" in body:
            body["input"] = {"message": "item ${string(item)}"}
        if chance.random() < 0.5:
            body["maxConcurrency"] = chance.randint(1, 3)
        if chance.random() < 0.3:
            body["tolerateFailures"] = chance.randint(1, 3)
        return self._again({"name": self._name(), "map": body})

    def _parallel(self) -> Spec:
        chance = self._chance
        makers = (self._tool, self._tool, self._sub, self._agent, self._wait, self._ask)
        branches = [chance.choice(makers)() for _ in range(chance.randint(1, 4))]
        body = {"branches": branches, "join": chance.choice(("all", "any"))}
        return self._hurried({"name": self._name(), "parallel": body})

    def _sub(self) -> Spec:
        return self._again(
            {"name": self._name(), "workflow": {"name": self._below(), "input": {"n": self._number}}}
        )

    def _agent(self) -> Spec:
        agent: Spec = {"name": self._chance.choice(("helper", "talker", "asker", "leader"))}
        agent["input"] = {"message": "go on"}
        if self._chance.random() < 0.3:
            agent["session"] = "chat"
        return self._again({"name": self._name(), "agent": agent})

    def _wait(self) -> Spec:
        wait = self._chance.choice(({"duration": "700ms"}, {"signal": {"name": "go", "timeout": "900ms"}}))
        return self._hurried({"name": self._name(), "wait": wait})

    def _ask(self) -> Spec:
        policy = self._chance.choice(("boss", "quick"))
        return self._hurried({"name": self._name(), "approval": {"policy": policy, "title": "May I?"}})

    def _transform(self) -> Spec:
        output = self._chance.choice(("${run.id}", {"a": [1, "${run.name}"]}))
        return {"name": self._name(), "transform": {"output": output}}
