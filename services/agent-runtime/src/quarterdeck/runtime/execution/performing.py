"""What is at work outside for a held run: effects, joins of maps, the list of an agent's tools."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

from quarterdeck.common.errors import QuarterdeckError, Unavailable
from quarterdeck.runtime.definition import Definition, WorkflowDefinition
from quarterdeck.runtime.effects.outcomes import failed
from quarterdeck.runtime.engine import Engine
from quarterdeck.runtime.events import Event
from quarterdeck.runtime.execution.asking import FIRST_PAUSE, HandedOver, ask_later
from quarterdeck.runtime.execution.joining import join_children
from quarterdeck.runtime.execution.unit import RunFacts
from quarterdeck.runtime.planner import agent as planner_agent
from quarterdeck.runtime.planner import workflow as planner_workflow
from quarterdeck.runtime.planner.planning import Planning
from quarterdeck.runtime.state import FINISHED, Effect, RunState, Step

log = structlog.get_logger("performing")

# An effect, a map whose results are to be collected, or None for the list of tools.
Subject = Effect | Step | None


def wanted_work(planning: Planning) -> dict[str, Subject]:
    """Returns what should be at work in this state, by a name that stays the same."""
    state = planning.state
    wanted: dict[str, Subject] = dict(state.effects)
    if state.paused is not None:
        return wanted
    if isinstance(planning.definition, WorkflowDefinition):
        if state.phase != FINISHED:
            wanted |= {f"join:{step.id}": step for step in planner_workflow.joinable_steps(planning)}
    elif planner_agent.needs_tools(planning):
        wanted["tools"] = None
    return wanted


# Effects that change something outside, or ask about one that may have: they are not tried again blindly.
_CONSEQUENTIAL = ("tool", "check")


def broken(effect: Effect, message: str, **more: Any) -> Event:
    """Returns the outcome when a performer broke. A tool may have been called: then a person is asked."""
    if effect.kind in _CONSEQUENTIAL:
        return failed(effect, "uncertain", "internal", message, policy="ask", check=None, **more)
    return failed(effect, "error", "internal", message, **more)


class Work:
    """The tasks of one executor.

    Args:
        stir: called whenever one of them has ended.
    """

    def __init__(self, engine: Engine, facts: RunFacts, stir: Callable[[], None]) -> None:
        self._engine = engine
        self._facts = facts
        self._stir = stir
        self._tasks: dict[str, asyncio.Task[list[Event]]] = {}

    def __bool__(self) -> bool:
        """True while anything is at work."""
        return bool(self._tasks)

    def start(self, planning: Planning) -> None:
        """Starts what is wanted and not at work. Every intent among it must be durable by now."""
        for key, subject in wanted_work(planning).items():
            if key not in self._tasks:
                work = self._work(planning.definition, planning.state, subject)
                task = asyncio.create_task(work, name=f"{self._facts.run_id}:{key}")
                task.add_done_callback(lambda _task: self._stir())
                self._tasks[key] = task

    def collect(self) -> list[Event]:
        """Returns the events of what has ended since the last time."""
        ended = [key for key, task in self._tasks.items() if task.done()]
        return [event for key in ended for event in self._tasks.pop(key).result()]

    async def drop(self) -> None:
        """Cancels what is at work; whoever holds the run next asks for it again."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    def _work(
        self, definition: Definition, state: RunState, subject: Subject
    ) -> Coroutine[Any, Any, list[Event]]:
        if isinstance(subject, Effect):
            return self._perform(definition, state, subject)
        if isinstance(subject, Step):
            return join_children(self._engine, self._facts, subject)
        return self._pin_tools()

    async def _perform(self, definition: Definition, state: RunState, effect: Effect) -> list[Event]:
        try:
            return await self._performed(definition, state, effect)
        except HandedOver:
            return []
        except QuarterdeckError as error:
            return [broken(effect, error.message, hint=error.hint)]
        except Exception as error:
            log.exception("effect.failed", run_id=self._facts.run_id, effect=effect.id)
            return [broken(effect, f"{type(error).__name__} while performing {effect.kind}")]

    async def _performed(self, definition: Definition, state: RunState, effect: Effect) -> list[Event]:
        """Performs until there is an outcome; one that could not be stored is asked for again."""
        performer, pause = self._engine.performers[effect.kind], FIRST_PAUSE
        while True:
            try:
                return await performer.perform(self._facts, definition, state, effect)
            except Unavailable as error:
                pause = await ask_later(self._engine.clock, pause, f"{effect.kind}: {error.message}")

    async def _pin_tools(self) -> list[Event]:
        from quarterdeck.runtime.execution.toolbox import pinned_event

        try:
            return await pinned_event(self._engine, self._facts)
        except HandedOver:
            return []
