"""Follows a run to its end, or to where it waits for somebody."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

from quarterdeck.cli.api import Api
from quarterdeck.cli.constants import ENDED_STATES, EXIT_FAILED, EXIT_RUN_FAILED, FAILED_STATES
from quarterdeck.cli.errors import CliError
from quarterdeck.cli.journal import error_text, event_line
from quarterdeck.cli.output import is_terminal, note, say

Show = Callable[[Mapping[str, Any]], None]


class EventPrinter:
    """Prints events as lines; a model's words as they come, when a person watches."""

    def __init__(
        self, full: bool = False, live: bool | None = None, out: Callable[[str], None] = say
    ) -> None:
        self._full = full
        self._live = is_terminal() if live is None else live
        self._out = out
        self._speaking = False

    def show(self, event: Mapping[str, Any]) -> None:
        """Prints one event."""
        if event.get("type") == "model.delta":
            self._speak(str((event.get("data") or {}).get("text") or ""))
            return
        self._end_speech()
        if event.get("seq") or self._live:
            self._out(event_line(event, self._full))

    def _speak(self, text: str) -> None:
        if self._live and text:
            sys.stdout.write(text)
            sys.stdout.flush()
            self._speaking = True

    def _end_speech(self) -> None:
        if self._speaking:
            say()
            self._speaking = False


def follow_run(api: Api, run_id: str, show: Show, *, until: str = "end", after: str = "") -> dict[str, Any]:
    """Shows a run's events until it ends; returns the run as it is then.

    Args:
        until: "end", or "waiting" to leave as well when the run waits for something outside.
        after: sequence number of the last event that was seen.
    """
    path = api.tenant_path("runs", run_id, "events")
    for event in api.events(path, {"until": until}, after=after):
        if event.type == "error":
            raise CliError(str(event.data().get("detail") or "the stream ended"), code=EXIT_FAILED)
        show(event.data())
    run: dict[str, Any] = api.get(api.tenant_path("runs", run_id))
    return run


def say_outcome(run: Mapping[str, Any]) -> None:
    """Prints on stderr how a run stands, what it cost and what to type next. Raises CliError if it failed."""
    state = str(run.get("state"))
    if state in FAILED_STATES:
        reason = error_text(run["error"]) if run.get("error") else str(run.get("reason") or "no reason given")
        raise CliError(
            f"run {run.get('id')} {state}: {reason}",
            hint=f"see `qd logs {run.get('id')}`" + _resume_hint(state),
            code=EXIT_RUN_FAILED,
        )
    cost = f", ${run['costUsd']:.4f}" if run.get("costUsd") else ""
    tokens = f", {run['tokens']} tokens" if run.get("tokens") else ""
    note(f"run {run.get('id')} {state}{tokens}{cost}")
    if state not in ENDED_STATES:
        waiting = f" ({run['reason']})" if run.get("reason") else ""
        note(f"it is open{waiting}; see `qd approvals list --run {run.get('id')}`")


def _resume_hint(state: str) -> str:
    return "; `qd runs resume` releases it" if state == "quarantined" else ""
