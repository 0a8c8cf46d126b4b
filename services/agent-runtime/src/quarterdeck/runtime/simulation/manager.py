"""The simulated mcp-manager: it keeps call ids durably, joins repeated calls, and may die itself.

Only its death with a call in flight makes an outcome uncertain; the tool's process dies with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from quarterdeck.common.errors import DeadlineExceeded, NotFound, QuarterdeckError, Unavailable
from quarterdeck.common.rpc_client import Peer
from quarterdeck.runtime.simulation import adversary as adv
from quarterdeck.runtime.simulation.adversary import Adversary
from quarterdeck.runtime.simulation.loop import SimulatedLoop
from quarterdeck.runtime.simulation.processes import Process
from quarterdeck.runtime.simulation.tools import SERVER, TOOLS, Bank
from quarterdeck.v1 import memory_pb2, tools_pb2

Reply = Callable[[Any], None]
Status = tools_pb2.ToolOutcome.Status
State = tools_pb2.CallRecord.State
_CALLED_OFF = tools_pb2.ToolOutcome(
    status=Status.STATUS_CANCELLED, message="its run was over before it was sent"
)
# Seconds that a call without a deadline may hang before the connection is found dead.
KEEPALIVE = 20.0


@dataclass(slots=True)
class Call:
    """What the manager knows about a call id. `outcome` is None while it is in flight.

    `request` is empty for an id that was closed before anybody asked under it.
    """

    request: bytes
    outcome: tools_pb2.ToolOutcome | None = None
    waiting: list[Reply] = field(default_factory=list)


class Manager:
    """The manager's process and its durable table of calls.

    Args:
        on_call: told of every call that is about to be made for the first time.
    """

    def __init__(
        self,
        loop: SimulatedLoop,
        adversary: Adversary,
        bank: Bank,
        on_call: Callable[[tools_pb2.CallToolRequest], None],
        problems: list[str],
    ) -> None:
        self.calls: dict[str, Call] = {}
        self.deaths = 0
        self.uncertain = 0
        self._loop = loop
        self._adversary = adversary
        self._bank = bank
        self._on_call = on_call
        self._problems = problems
        self._life = 0
        self._is_up = True

    def die(self, seconds: float) -> None:
        """Ends the manager and its tools for so long; what was in flight is uncertain from then on."""
        if not self._is_up:
            return
        self._is_up, self._life, self.deaths = False, self._life + 1, self.deaths + 1
        for call_id, call in self.calls.items():
            if call.outcome is None:
                self.uncertain += 1
                call.outcome = tools_pb2.ToolOutcome(
                    call_id=call_id,
                    status=Status.STATUS_UNCERTAIN,
                    message="the manager died during the call",
                    server_dead=True,
                )
                for reply in call.waiting:
                    reply(Unavailable("the manager died"))
                call.waiting.clear()
        self._loop.world_later(seconds, self._come_back)

    def _come_back(self) -> None:
        self._is_up = True

    def take(self, name: str, request: Any, reply: Reply) -> None:
        """Receives a request; `reply` is called with the answer or an error."""
        if not self._is_up:
            reply(Unavailable("the manager is not there"))
        elif name == "ListTools":
            listed = tools_pb2.ListToolsResponse()
            if request.server == SERVER:
                listed.tools.extend(TOOLS.values())
            else:
                listed.unavailable.append(f"{request.server}: there is none")
            reply(listed)
        elif name == "SealCalls":
            reply(tools_pb2.SealCallsResponse(records=map(self._seal, request.call_ids)))
        else:
            self._call(request, reply)

    def _call(self, request: tools_pb2.CallToolRequest, reply: Reply) -> None:
        known, asked = self.calls.get(request.call_id), request.SerializeToString(deterministic=True)
        if known is None:
            self._on_call(request)
            self.calls[request.call_id] = Call(asked, waiting=[reply])
            self._begin(request)
        elif known.request and _content(known.request) != _content(asked):
            self._problems.append(f"call {request.call_id} was asked again with other arguments")
        elif known.outcome is not None:
            reply(known.outcome)
        else:
            known.waiting.append(reply)

    def _seal(self, call_id: str) -> tools_pb2.CallRecord:
        """Closes a call id and says what is known about it."""
        call = self.calls.setdefault(call_id, Call(b"", _CALLED_OFF))
        if call.outcome is None:
            return tools_pb2.CallRecord(call_id=call_id, state=State.STATE_IN_FLIGHT)
        uncertain = call.outcome.status == Status.STATUS_UNCERTAIN
        state = State.STATE_UNCERTAIN if uncertain else State.STATE_DONE
        return tools_pb2.CallRecord(call_id=call_id, state=state, outcome=call.outcome, server_dead=uncertain)

    def _begin(self, request: tools_pb2.CallToolRequest) -> None:
        chance = self._adversary.chance
        before = chance.choice((0.002, 0.01, 0.1, 0.3)) * (0.5 + chance.random())
        after = 0.002 * chance.random()
        if not self._adversary.is_quiet and chance.random() < 0.04:
            before, after = self._adversary.long_delay(), 0.3 * chance.random()
        self._loop.world_later(before, self._do, request, after, self._life)

    def _do(self, request: tools_pb2.CallToolRequest, after: float, life: int) -> None:
        if life == self._life:
            outcome = self._bank.answer(request)
            self._loop.world_later(after, self._end, request.call_id, outcome, life)

    def _end(self, call_id: str, outcome: tools_pb2.ToolOutcome, life: int) -> None:
        if life != self._life:
            return
        call = self.calls[call_id]
        call.outcome = outcome
        for reply in call.waiting:
            reply(outcome)
        call.waiting.clear()


def _content(data: bytes) -> tuple[Any, ...]:
    request = tools_pb2.CallToolRequest.FromString(data)
    return request.server, request.tool, request.arguments_json, request.run_id, request.approval_id


class Memories:
    """A simulated memory service: it saves by id, and finds what was saved last."""

    def __init__(self) -> None:
        self.saved: dict[tuple[str, str], str] = {}

    def take(self, name: str, request: Any, reply: Reply) -> None:
        """Receives a request."""
        if request.collection != "notes":
            reply(NotFound(f"no collection {request.collection}"))
        elif name == "SaveMemory":
            for item in request.items:
                self.saved[request.collection, item.id] = item.text
            reply(memory_pb2.SaveMemoryResponse(ids=[item.id for item in request.items]))
        elif name == "DeleteMemory":
            gone = [self.saved.pop((request.collection, key), None) for key in request.ids]
            reply(memory_pb2.DeleteMemoryResponse(deleted=len([text for text in gone if text is not None])))
        else:
            found = [(key, text) for key, text in self.saved.items() if key == ("notes", request.query)]
            items = [memory_pb2.MemoryItem(id=key[1], text=text, score=1.0) for key, text in found]
            reply(memory_pb2.SearchMemoryResponse(items=items))


class _Names:
    """A stub whose methods are their own names."""

    def __getattr__(self, name: str) -> str:
        return name


class SimulatedPeer(Peer):
    """A worker's channel to a simulated service, over a network that loses things."""

    def __init__(
        self,
        service: str,
        loop: SimulatedLoop,
        process: Process,
        adversary: Adversary,
        take: Callable[[str, Any, Reply], None],
    ) -> None:
        self.service = service
        self._loop = loop
        self._process = process
        self._adversary = adversary
        self._take = take

    def stub(self, factory: Callable[[Any], Any]) -> Any:
        """See `Peer.stub`."""
        return _Names()

    async def call(
        self, method: Any, request: Any, timeout: float | None = 30.0, *, patience: float = 0.0
    ) -> Any:
        """See `Peer.call`."""
        loop, adversary = self._loop, self._adversary
        if not self._process.is_alive:
            raise Unavailable("the process is dead")
        fate = adversary.call(method)
        future = loop.create_future()
        if fate == adv.UNREACHED:
            self._later(adversary.delay(), future, Unavailable("no connection"))
            return await future
        loop.world_later(adversary.delay(), self._take, method, request, self._reply(future, fate))
        if fate == adv.UNANSWERED:
            self._later(adversary.delay() + adversary.chance.random(), future, Unavailable("reset"))
        elif fate or timeout is not None:
            limit = KEEPALIVE if timeout is None else timeout
            self._later(limit, future, DeadlineExceeded("no answer in time"))
        return await future

    def _later(self, seconds: float, future: asyncio.Future[Any], result: QuarterdeckError) -> None:
        self._loop.world_later(seconds, self._loop.settle, self._process, future, result)

    def _reply(self, future: asyncio.Future[Any], fate: str) -> Reply:
        def reply(result: Any) -> None:
            if fate == adv.UNANSWERED:
                return
            late = self._adversary.long_delay() if fate == adv.SLOW else 0.0
            if late:
                self._loop.world_later(late, self._loop.settle, self._process, future, result)
            else:
                self._loop.settle(self._process, future, result)

        return reply
