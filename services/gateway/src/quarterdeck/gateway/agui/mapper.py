"""Maps the events of one run, in order, with what is open: steps, tool calls, a message."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from ag_ui.core import (
    BaseEvent,
    CustomEvent,
    Interrupt,
    RunErrorEvent,
    RunFinishedCancelledOutcome,
    RunFinishedEvent,
    RunStartedEvent,
    StepFinishedEvent,
    StepStartedEvent,
    TextMessageContentEvent,
    TextMessageEndEvent,
    TextMessageStartEvent,
)

from quarterdeck.gateway.agui.outputs import frame, told, tool_call, tool_result, waiting
from quarterdeck.gateway.agui.position import Position, Speech

PROTOCOL_VERSION = "1.0"
# Passed on under their own names: AG-UI has no event for them.
CUSTOM_TYPES = frozenset(
    {
        "approval.requested",
        "approval.decided",
        "children.started",
        "children.progress",
        "context.compacted",
        "run.parked",
        "run.paused",
        "run.resumed",
        "signal.awaited",
        "tool.progress",
    }
)


@dataclass(slots=True)
class Mapper:
    """Maps one run's events.

    Args:
        run_id: the run in the protocol; a client may have chosen it.
        thread_id: the session.
        since: outputs up to here were seen already.
    """

    run_id: str
    thread_id: str
    since: Position = field(default_factory=Position)
    finished: bool = False
    _seq: int = 0
    _output: int = 0
    _is_agent: bool = False
    _steps: list[str] = field(default_factory=list)
    _speech: Speech | None = None
    _tools: dict[str, str] = field(default_factory=dict)
    # An agent's model turns: step by effect.
    _turns: dict[str, str] = field(default_factory=dict)
    # Calls of an agent's turn, by step, effect or approval; and what they brought so far.
    _calls: dict[str, str] = field(default_factory=dict)
    _results: dict[str, Any] = field(default_factory=dict)

    def feed(self, seq: int, kind: str, data: dict[str, Any], at: int | None = None) -> Iterator[str]:
        """Yields the encoded outputs of one event. `seq` is 0 for live deltas, `at` milliseconds."""
        if seq == 0:
            yield from self._live(kind, data, at)
            return
        self._seq = seq
        outputs = self._outputs(kind, data)
        for number, event in enumerate(outputs):
            self._output = number
            if event is not None and not self.since.covers(seq, number):
                yield self._encode(event, at)
        if seq == self.since.seq:
            self._recall()

    def _recall(self) -> None:
        """Takes over what another stream said of the message that is open where the client broke off."""
        since, speech = self.since, self._speech
        if speech is not None and (since.sent is not None or since.tries):
            self._speech = Speech(speech.base, since.tries, since.sent, None if since.sent else "")

    def continued(self) -> Iterator[str]:
        """Yields the beginning of a run of the protocol that goes on with an interrupted one."""
        self._steps = []
        yield frame("", self._begun(), None)

    def interrupted(self, interrupts: Sequence[Interrupt]) -> Iterator[str]:
        """Yields the end of a stream whose run waits for somebody."""
        for event in (*self._closing(), self._finished(outcome=waiting(interrupts))):
            if event is not None:
                yield frame("", event, None)

    def _encode(self, event: BaseEvent, at: int | None) -> str:
        mark = self._speech.mark if self._speech is not None else ""
        return frame(f"{self._seq}.{self._output}{mark}", event, at)

    def _live(self, kind: str, data: dict[str, Any], at: int | None) -> Iterator[str]:
        if self._seq < self.since.seq:
            return
        if kind == "model.delta" and data.get("type", "text") == "restart":
            yield from self._restart(at)
        elif kind == "model.delta":
            yield from self._delta(str(data.get("text", "")), at)
        elif kind in CUSTOM_TYPES:
            yield frame("", CustomEvent(name=kind, value=data), at)

    def _delta(self, text: str, at: int | None) -> Iterator[str]:
        """Streams a piece of text; not after one that another stream sent, for the join is not known."""
        speech = self._speech
        if speech is None or not text or speech.said is None:
            return
        if speech.sent is None:
            speech.sent = 0
            yield self._encode(TextMessageStartEvent(message_id=speech.id), at)
        speech.said += text
        speech.sent += len(text)
        yield self._encode(TextMessageContentEvent(message_id=speech.id, delta=text), at)

    def _restart(self, at: int | None) -> Iterator[str]:
        """The provider begins its answer anew: what was said so far is no part of it."""
        speech = self._speech
        if speech is None or speech.sent is None:
            return
        self._speech = Speech(speech.base, speech.tries + 1)
        yield self._encode(TextMessageEndEvent(message_id=speech.id), at)

    def _outputs(self, kind: str, data: dict[str, Any]) -> list[BaseEvent | None]:
        """Returns the outputs of a journal event; None keeps the number of one that is not due."""
        handler = _HANDLERS.get(kind)
        if handler is not None:
            return handler(self, data)
        return [CustomEvent(name=kind, value=data)] if kind in CUSTOM_TYPES else []

    def _run_started(self, data: dict[str, Any]) -> list[BaseEvent | None]:
        self._is_agent = data.get("kind") == "Agent"
        self.thread_id = self.thread_id or str(data.get("session") or self.run_id)
        return [self._begun()]

    def _begun(self) -> RunStartedEvent:
        return RunStartedEvent(
            thread_id=self.thread_id, run_id=self.run_id, protocol_version=PROTOCOL_VERSION
        )

    def _step_started(self, data: dict[str, Any]) -> list[BaseEvent | None]:
        self._steps.append(data["step"])
        if data.get("kind") == "use":
            self._calls[data["step"]] = data["node"]
        return [StepStartedEvent(step_name=data["step"])]

    def _step_ended(self, data: dict[str, Any]) -> list[BaseEvent | None]:
        if "output" in data:
            self._bring(data["step"], data["output"])
        return self._end_step(data["step"])

    def _end_step(self, step: str) -> list[BaseEvent | None]:
        if step not in self._steps:
            return []
        self._steps.remove(step)
        return [StepFinishedEvent(step_name=step)]

    def _bring(self, key: str, value: Any) -> None:
        """Keeps what a call of an agent's turn brought, until the turn's results are told."""
        call = self._calls.get(key)
        if call is not None:
            self._results[call] = value

    def _asked(self, data: dict[str, Any]) -> list[BaseEvent | None]:
        if data.get("step") in self._calls and data.get("source") == "question":
            self._calls[data["approval"]] = self._calls[data["step"]]
        return [CustomEvent(name="approval.requested", value=data)]

    def _decided(self, data: dict[str, Any]) -> list[BaseEvent | None]:
        self._bring(
            data["approval"], {name: data.get(name) for name in ("approved", "by", "comment", "answer")}
        )
        return [CustomEvent(name="approval.decided", value=data)]

    def _child_finished(self, data: dict[str, Any]) -> list[BaseEvent | None]:
        self._bring(data["step"], data.get("output"))
        return []

    def _intent(self, data: dict[str, Any]) -> list[BaseEvent | None]:
        if data["step"] in self._calls:
            self._calls[data["effect"]] = self._calls[data["step"]]
        if data["kind"] == "model":
            self._turns[data["effect"]] = data["step"]
            return self._speak(f"{self.run_id}/{data['effect']}")
        if self._is_agent or data["kind"] != "tool":
            return []
        target = data["target"]
        call = f"{self.run_id}/{data['effect']}"
        self._tools[data["effect"]] = call
        return tool_call(call, f"{target['server']}/{target['tool']}", data.get("arguments"), None)

    def _speak(self, message_id: str) -> list[BaseEvent | None]:
        """Begins a model turn; a turn that is tried again says its text from the start."""
        ending = self._hush()
        self._speech = Speech(message_id)
        return [ending]

    def _hush(self) -> BaseEvent | None:
        speech, self._speech = self._speech, None
        return (
            TextMessageEndEvent(message_id=speech.id)
            if speech is not None and speech.sent is not None
            else None
        )

    def _outcome(self, data: dict[str, Any]) -> list[BaseEvent | None]:
        if data["status"] == "ok":
            self._bring(data["effect"], data.get("result"))
        if data["effect"] in self._turns:
            return self._turn_ended(data)
        call = self._tools.pop(data["effect"], None)
        if call is None:
            return []
        result = data["result"] if data["status"] == "ok" else data.get("error")
        return [tool_result(call, result)]

    def _turn_ended(self, data: dict[str, Any]) -> list[BaseEvent | None]:
        """A model's answer ends its step; after a failure the step goes on with another attempt."""
        step = self._turns.pop(data["effect"])
        return self._end_step(step) if data["status"] == "ok" else []

    def _told(self, calls: Sequence[str]) -> list[BaseEvent | None]:
        """Tells the results of a turn's calls; the journal only names them here."""
        found, self._results = self._results, {}
        return [tool_result(call, told(found.get(call))) for call in calls]

    def _message(self, data: dict[str, Any]) -> list[BaseEvent | None]:
        if "results" in data:
            return self._told(data["results"])
        message = data["message"]
        if "content" not in message:  # too large to be inline: the client may fetch it
            return [self._hush(), CustomEvent(name="message.artifact", value=message)]
        blocks = message["content"]
        if message["role"] != "assistant":
            return [
                tool_result(block["toolUseId"], block.get("content"))
                for block in blocks
                if block["type"] == "toolResult"
            ]
        if "turn" not in data:  # said in an earlier run of the session
            return []
        text = "".join(block["text"] for block in blocks if block["type"] == "text")
        said, message_id = self._said(text)
        calls = [
            event
            for block in blocks
            if block["type"] == "toolUse"
            for event in tool_call(block["id"], block["name"], block.get("arguments"), message_id)
        ]
        return [*said, *calls]

    def _said(self, text: str) -> tuple[list[BaseEvent | None], str]:
        """Returns the outputs that complete the message: what was not streamed, or all of it."""
        speech, ending = self._speech or Speech(f"{self.run_id}/{self._seq}"), None
        self._speech = None
        rest = speech.rest_of(text)
        if rest is None:
            ending = TextMessageEndEvent(message_id=speech.id)
            speech, rest = Speech(speech.base, speech.tries + 1), text
        if not text and speech.sent is None:
            return [ending, None, None, None], speech.id
        start = None if speech.sent is not None else TextMessageStartEvent(message_id=speech.id)
        content = TextMessageContentEvent(message_id=speech.id, delta=rest) if rest else None
        return [ending, start, content, TextMessageEndEvent(message_id=speech.id)], speech.id

    def _closing(self) -> list[BaseEvent | None]:
        """Ends what is open, since a run may not finish around it."""
        steps: list[BaseEvent | None] = [StepFinishedEvent(step_name=step) for step in self._steps]
        self._steps = []
        return [self._hush(), *steps]

    def _finished(self, **more: Any) -> RunFinishedEvent:
        self.finished = True
        return RunFinishedEvent(thread_id=self.thread_id, run_id=self.run_id, **more)

    def _succeeded(self, data: dict[str, Any]) -> list[BaseEvent | None]:
        return [*self._closing(), self._finished(result=data.get("output"))]

    def _cancelled(self, data: dict[str, Any]) -> list[BaseEvent | None]:
        return [*self._closing(), self._finished(outcome=RunFinishedCancelledOutcome())]

    def _failed(self, data: dict[str, Any]) -> list[BaseEvent | None]:
        self.finished = True
        error = data.get("error") or {}
        message = str(error.get("message") or "the run failed")
        return [self._hush(), RunErrorEvent(message=message, code=str(error.get("class") or "failed"))]


_HANDLERS: dict[str, Callable[[Mapper, dict[str, Any]], list[BaseEvent | None]]] = {
    "run.started": Mapper._run_started,
    "step.started": Mapper._step_started,
    "step.completed": Mapper._step_ended,
    "step.failed": Mapper._step_ended,
    "effect.intent": Mapper._intent,
    "effect.outcome": Mapper._outcome,
    "child.finished": Mapper._child_finished,
    "approval.requested": Mapper._asked,
    "approval.decided": Mapper._decided,
    "message.appended": Mapper._message,
    "run.succeeded": Mapper._succeeded,
    "run.cancelled": Mapper._cancelled,
    "run.failed": Mapper._failed,
    "run.timed-out": Mapper._failed,
}
