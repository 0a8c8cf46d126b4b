"""The calls that a run left behind when it ended: nobody recorded what became of them. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from quarterdeck.runtime import events as ev
from quarterdeck.runtime.events import Event
from quarterdeck.runtime.reducer.effects import effect_of
from quarterdeck.runtime.state import Effect

# By run and effect: outcomes that were found out after the run was over.
Known = Mapping[str, Mapping[str, Event]]


class LeftBehind(Exception):
    """Runs have calls of which it must be found out first what became of them.

    Args:
        runs: each run's row, and its calls.
    """

    def __init__(self, runs: Sequence[tuple[Any, list[Effect]]]) -> None:
        super().__init__(f"{len(runs)} runs left calls behind")
        self.runs = runs


def calls_of(journal: Sequence[Event]) -> list[Effect]:
    """Returns the tool calls without an outcome, those abandoned among them; not those of an earlier run."""
    own = max((index for index, event in enumerate(journal) if event.data.get("retry_of")), default=0)
    waiting: dict[str, Effect] = {}
    for event in journal[own:]:
        if event.type == ev.EFFECT_INTENT and event.data["kind"] == "tool":
            waiting[event.data["effect"]] = effect_of(event.data)
        elif event.type == ev.EFFECT_OUTCOME and event.data["status"] != "abandoned":
            waiting.pop(event.data["effect"], None)
    return list(waiting.values())


def with_outcomes(journal: Sequence[Event], known: Mapping[str, Event]) -> list[Event]:
    """Returns the journal as it would be had the run been told of these outcomes before its end."""
    told = [_told(event, known) for event in journal]
    had = {event.data["effect"] for event in journal if event.type == ev.EFFECT_OUTCOME}
    return [*told[:-1], *(event for effect, event in known.items() if effect not in had), *told[-1:]]


def _told(event: Event, known: Mapping[str, Event]) -> Event:
    if event.type != ev.EFFECT_OUTCOME or event.data["status"] != "abandoned":
        return event
    return known.get(event.data["effect"], event)
