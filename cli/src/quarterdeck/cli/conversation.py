"""A conversation with an agent over AG-UI: one thread, one run a turn, words as they come."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Mapping
from typing import Any

from quarterdeck.cli.api import Api
from quarterdeck.cli.constants import EXIT_RUN_FAILED
from quarterdeck.cli.errors import CliError
from quarterdeck.cli.journal import compact
from quarterdeck.cli.output import is_terminal, note, say


class Conversation:
    """One session with one agent. The platform keeps the history; a turn sends only what is new."""

    def __init__(self, api: Api, agent: str, session: str) -> None:
        self._api = api
        self._agent = agent
        self.session = session

    def loop(self) -> None:
        """Asks for a line, takes a turn, until the end of input."""
        if sys.stdin.isatty():
            note(f"session {self.session}; Ctrl-D leaves")
        while (line := self._next_line()) is not None:
            if line.strip():
                self._try_turn(line)

    def _next_line(self) -> str | None:
        try:
            return input("> ") if sys.stdin.isatty() and is_terminal() else input()
        except EOFError:
            return None

    def _try_turn(self, line: str) -> None:
        """Takes a turn; at a terminal a failed one does not end the conversation."""
        try:
            self.turn(line)
        except CliError as error:
            if not sys.stdin.isatty():
                raise
            for text in error.lines():
                note(text)

    def turn(self, text: str) -> None:
        """Says something and prints what the agent answers. Raises CliError if its run fails."""
        body = {
            "threadId": self.session,
            "runId": str(uuid.uuid4()),
            "messages": [{"id": str(uuid.uuid4()), "role": "user", "content": text}],
            "state": {},
            "tools": [],
            "context": [],
            "forwardedProps": {},
        }
        printer = TurnPrinter()
        for event in self._api.post_events(self._api.tenant_path("agents", self._agent, "ag-ui"), body):
            printer.show(event.data())
        printer.end()


class TurnPrinter:
    """Prints the AG-UI events of one turn: text on stdout, what the agent does on stderr."""

    def __init__(self) -> None:
        self._open_line = False
        self._calls: dict[str, tuple[str, str]] = {}

    def show(self, event: Mapping[str, Any]) -> None:
        """Prints one event. Raises CliError for RUN_ERROR and for a problem that ends the stream."""
        kind = str(event.get("type", ""))
        if kind in ("TEXT_MESSAGE_CONTENT", "TEXT_MESSAGE_CHUNK"):
            self._write(str(event.get("delta") or ""))
        elif kind == "TEXT_MESSAGE_END":
            self.end()
        elif kind.startswith("TOOL_CALL_"):
            self._tool(kind, event)
        elif kind == "RUN_FINISHED":
            self._waits(event)
        elif kind == "RUN_ERROR" or "detail" in event:
            self.end()
            message = event.get("message") or event.get("detail") or "the run failed"
            raise CliError(str(message), hint=str(event.get("hint") or ""), code=EXIT_RUN_FAILED)

    def _tool(self, kind: str, event: Mapping[str, Any]) -> None:
        call = str(event.get("toolCallId", ""))
        name, arguments = self._calls.get(call, ("", ""))
        if kind == "TOOL_CALL_START":
            self._calls[call] = (str(event.get("toolCallName", "")), "")
        elif kind == "TOOL_CALL_ARGS":
            self._calls[call] = (name, arguments + str(event.get("delta") or ""))
        elif kind == "TOOL_CALL_END":
            self.end()
            note(f"  [{name} {compact(arguments, 100)}]")

    def _waits(self, event: Mapping[str, Any]) -> None:
        """Says how to answer, if the turn ended because its run waits for a person."""
        outcome = event.get("outcome") or {}
        for interrupt in outcome.get("interrupts") or [] if outcome.get("type") == "interrupt" else []:
            self.end()
            note(f"it waits for a person: {interrupt.get('message') or interrupt.get('reason')}")
            if str(interrupt.get("reason", "")).startswith("approval"):
                note(f"see `qd approvals show {interrupt.get('id')}`; approve (with --answer) or reject it")

    def _write(self, text: str) -> None:
        if text:
            sys.stdout.write(text)
            sys.stdout.flush()
            self._open_line = not text.endswith("\n")

    def end(self) -> None:
        """Ends the line of text that is open."""
        if self._open_line:
            say()
            self._open_line = False
