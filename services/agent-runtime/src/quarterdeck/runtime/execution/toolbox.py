"""Pins what an agent's model may call, once, when its run starts."""

from __future__ import annotations

from quarterdeck.common import artifacts
from quarterdeck.common.errors import QuarterdeckError
from quarterdeck.runtime import events as ev
from quarterdeck.runtime.engine import Engine
from quarterdeck.runtime.execution.asking import FIRST_PAUSE, ask_later
from quarterdeck.runtime.execution.unit import RunFacts

# A list of tools is the same for every run of an agent: as an artifact it is kept once.
INLINE_TOOLS_BYTES = 512


async def pinned_event(engine: Engine, facts: RunFacts) -> list[ev.Event]:
    """Returns the event that pins the tools; while a server cannot be asked it waits.

    Raises HandedOver when the worker leaves meanwhile.
    """
    revisions = await engine.revisions(facts.tenant_id, facts.closure)
    spec = await engine.spec(facts.tenant_id, revisions[f"Agent/{facts.name}"])
    pause = FIRST_PAUSE
    while True:
        try:
            tools = await engine.tools.pin(facts, spec, revisions)
            break
        except QuarterdeckError as error:
            pause = await ask_later(engine.clock, pause, f"the list of tools: {error.message}")
    stored = await artifacts.externalise(engine.artifacts, facts.tenant_id, tools, INLINE_TOOLS_BYTES)
    return [ev.Event(ev.TOOLS_PINNED, {"tools": stored})]
