"""Agents: the tool loop, questions, agents as tools, sessions, compaction, limits."""

from __future__ import annotations

from typing import Any

from hack.journals.house import House, question, workflow
from quarterdeck.runtime.events import Event
from quarterdeck.runtime.testing.harness import Harness
from quarterdeck.runtime.testing.stubs import LocalModels


def _say(text: str) -> dict[str, Any]:
    return {"role": "assistant", "content": [{"type": "text", "text": text}]}


def _use(turn: int, *calls: tuple[str, Any]) -> dict[str, Any]:
    blocks = [
        {"type": "toolUse", "id": f"u{turn}-{i}", "name": name, "arguments": arguments}
        for i, (name, arguments) in enumerate(calls)
    ]
    return {"role": "assistant", "content": blocks}


class _Lister:
    """Lists local tools, and agents as the platform does."""

    def __init__(self, harness: Harness) -> None:
        self._tools = harness.tools

    async def pin(self, facts: Any, spec: Any, revisions: Any) -> list[dict[str, Any]]:
        """Returns pinned tools."""
        names = [child["name"] for child in spec.get("agents") or ()]
        agents = [
            {"name": name, "kind": "agent", "description": "", "schema": {}, "tool": name} for name in names
        ]
        return [*await self._tools.pin(facts, spec, revisions), *agents]


async def agent_with_tools(house: House) -> None:
    """Parallel calls, an unknown tool, a failing one, an approved one, a question, another agent."""
    answers = [
        _use(1, ("echo", {"n": 1}), ("nonsense", {}), ("broken", {}), ("undo", {"n": 2})),
        _use(2, ("ask_person", {"question": "Which?"}), ("helper", {"message": "what?"})),
        _say("all done"),
    ]

    async def turns(facts: Any, state: Any) -> dict[str, Any]:
        return _say("42") if facts.name == "helper" else answers[state.agent.turn]

    spec = {
        "instructions": "x",
        "tools": [{"server": "s", "names": ["echo", "broken", "undo"]}],
        "approvals": [{"server": "s", "names": ["undo"], "policy": "p"}],
        "askPerson": {"policy": "p"},
        "agents": [{"name": "helper", "description": "knows"}],
        "limits": {"costUsd": 0.1, "tokens": 5000},
    }
    async with house.open({"Agent/a": spec, "Agent/helper": {"instructions": "x"}}, turns=turns) as h:
        h.engine.tools = _Lister(h)
        run = await h.start("Agent", "a", {"message": "go"})
        await h.approve(await question(h))
        await h.approve(await question(h), answer="the blue one")
        await house.keep(h, run)


async def session_with_repair_and_compaction(house: House) -> None:
    """Two turns of a session; the second compacts what was said, and mends its answer."""
    schema = {"type": "object", "required": ["n"]}

    async def turns(facts: Any, state: Any) -> dict[str, Any]:
        return _say("no json" if state.history and not state.agent.repaired else '{"n": 1}')

    class Compacting(LocalModels):
        async def perform(self, facts: Any, definition: Any, state: Any, effect: Any) -> list[Event]:
            """Compacts once, in a session that has a history."""
            outcome = await super().perform(facts, definition, state, effect)
            if not state.history or state.agent.turn:
                return outcome
            short = {"role": "user", "content": [{"type": "text", "text": "in short"}]}
            return [Event("context.compacted", {"messages": [short], "summarised": 2}), *outcome]

    spec = {"instructions": "x", "output": {"schema": schema}}
    async with house.open({"Agent/a": spec}) as h:
        h.engine.performers = {**h.engine.performers, "model": Compacting(turns, cost=100)}
        for text in ("one", "two"):
            run = await h.start("Agent", "a", {"message": text}, session="s")
            await house.keep(h, run)


async def budget_that_is_too_small(house: House) -> None:
    """Two agents share a budget and try again until it is used up."""

    async def turns(facts: Any, state: Any) -> dict[str, Any]:
        return _use(state.agent.turn, ("nonsense", {}))

    retry = [{"errors": ["*"], "attempts": 2, "delay": "1ms"}]
    branches = [
        {"name": name, "agent": {"name": "a", "input": {}, "session": "talk"}, "retry": retry}
        for name in "xy"
    ]
    spec = workflow({"name": "p", "parallel": {"branches": branches}}, budget={"costUsd": 0.0006})
    async with house.open({"Workflow/w": spec, "Agent/a": {"instructions": "x"}}, turns=turns) as h:
        await house.keep(h, await h.start("Workflow", "w", {}))


SCENARIOS = (agent_with_tools, session_with_repair_and_compaction, budget_that_is_too_small)
