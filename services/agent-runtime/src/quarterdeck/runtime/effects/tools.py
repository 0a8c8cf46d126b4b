"""Tool calls through mcp-manager.

The call id is the run's id and the effect's: after a crash the same question is asked again
and answered with the recorded outcome, so only the manager's or the tool's own death can leave
an outcome uncertain.
"""

from __future__ import annotations

from typing import Any

from quarterdeck.common import artifacts, codec
from quarterdeck.common.artifacts import ArtifactStore
from quarterdeck.common.clock import Clock
from quarterdeck.common.constants import INLINE_BYTES
from quarterdeck.common.errors import DeadlineExceeded, QuarterdeckError, Unavailable
from quarterdeck.common.proofs.holders import Uses
from quarterdeck.common.rpc_client import Peer
from quarterdeck.runtime.definition import Definition
from quarterdeck.runtime.effects.acting import act, with_check
from quarterdeck.runtime.effects.outcomes import failed, succeeded
from quarterdeck.runtime.effects.tool_directory import ToolDirectory
from quarterdeck.runtime.events import Event
from quarterdeck.runtime.execution.asking import FIRST_PAUSE, ask_later
from quarterdeck.runtime.execution.unit import RunFacts
from quarterdeck.runtime.state import Effect, RunState
from quarterdeck.v1 import tools_pb2, tools_pb2_grpc

Status = tools_pb2.ToolOutcome.Status

# How a definite failure is classed: (status of the effect, class of the error).
_FAILURES = {
    Status.STATUS_TOOL_ERROR: ("error", "tool"),
    Status.STATUS_DENIED: ("denied", "policy"),
    Status.STATUS_NEEDS_APPROVAL: ("needs_approval", "policy"),
    Status.STATUS_INVALID_ARGUMENTS: ("error", "validation"),
    Status.STATUS_UNAVAILABLE: ("unavailable", "unavailable"),
    Status.STATUS_TIMEOUT: ("error", "timeout"),
    Status.STATUS_CANCELLED: ("error", "cancelled"),
}


class ToolPerformer:
    """Performs effects of kind "tool"."""

    def __init__(self, manager: Peer, directory: ToolDirectory, store: ArtifactStore, clock: Clock) -> None:
        self._manager = manager
        self._stub = manager.stub(tools_pb2_grpc.ToolServiceStub)
        self._directory = directory
        self._store = store
        self._clock = clock

    async def perform(
        self, facts: RunFacts, definition: Definition, state: RunState, effect: Effect
    ) -> list[Event]:
        """See `Performer.perform`. What it raises, but Unavailable, was raised after the call was made."""
        try:
            request = await self._request(facts, state, effect, effect.target, effect.arguments)
        except Unavailable:
            raise
        except (QuarterdeckError, ValueError) as error:
            return [failed(effect, "error", "validation", f"the call cannot be made: {error}")]
        return [await self.event(facts, effect, await self._ask(facts, definition.uses, request))]

    async def check(
        self, facts: RunFacts, definition: Definition, state: RunState, effect: Effect, arguments: Any
    ) -> tools_pb2.ToolOutcome:
        """Asks the tool that tells what became of a call, until it gives an outcome."""
        server, tool = effect.target["server"], effect.target["check"]["tool"]
        uses = with_check(definition.uses, server, effect.target["tool"], tool)
        request = await self._request(facts, state, effect, {"server": server, "tool": tool}, arguments)
        return await self._ask(facts, uses, request)

    async def _ask(
        self, facts: RunFacts, declared: Uses, request: tools_pb2.CallToolRequest
    ) -> tools_pb2.ToolOutcome:
        """Asks mcp-manager until it gives an outcome; the call id makes asking again harmless."""
        act(facts, declared, Uses(tools=frozenset((f"{request.server}/{request.tool}",))))
        pause = FIRST_PAUSE
        while True:
            try:
                answer: tools_pb2.ToolOutcome = await self._manager.call(self._stub.CallTool, request, None)
                if not answer.retry_after_seconds:
                    return answer
                # Over the rate of the server or tool: nothing was sent, and the same id may ask again.
                await self._clock.sleep(answer.retry_after_seconds)
            except (Unavailable, DeadlineExceeded) as error:
                held_up = f"tool {request.server}/{request.tool}: {error.message}"
                pause = await ask_later(self._clock, pause, held_up)
            except QuarterdeckError as error:
                return tools_pb2.ToolOutcome(status=Status.STATUS_INVALID_ARGUMENTS, message=error.message)

    async def _request(
        self, facts: RunFacts, state: RunState, effect: Effect, target: dict[str, Any], arguments: Any
    ) -> tools_pb2.CallToolRequest:
        value = await artifacts.internalise(self._store, facts.tenant_id, arguments)
        data = codec.dumps(value if value is not None else {})
        return tools_pb2.CallToolRequest(
            tenant=facts.tenant,
            call_id=call_id(facts.run_id, effect.id),
            server=target["server"],
            tool=target["tool"],
            arguments_json=data,
            timeout_seconds=float(target.get("timeout") or 0),
            run_id=facts.run_id,
            agent=facts.name if facts.kind == "Agent" else "",
            workflow=facts.name if facts.kind == "Workflow" else "",
            principal=facts.principal["subject"],
            cost_micro_usd=state.spent,
            approval_id=effect.approval,
            approved_arguments_hash=codec.digest(value) if effect.approval else "",
            tool_session=facts.root_run_id,
        )

    async def event(self, facts: RunFacts, effect: Effect, outcome: tools_pb2.ToolOutcome) -> Event:
        """Returns what a run is told of a call's outcome. Raises Unavailable if it cannot be stored."""
        if outcome.status == Status.STATUS_OK:
            return succeeded(effect, await self._result(facts, outcome), ms=round(outcome.duration_ms, 3))
        if outcome.status == Status.STATUS_UNCERTAIN:
            return await self._uncertain(facts, effect, outcome)
        status, kind = _FAILURES.get(outcome.status, ("error", "internal"))
        more = {"tool": target_path(effect)}
        if status == "needs_approval":
            more["approval_policy"] = outcome.approval_policy
        details = codec.loads(outcome.result_json) if outcome.result_json else None
        if details is not None and len(outcome.result_json) < INLINE_BYTES:
            more["details"] = details
        return failed(effect, status, kind, outcome.message or kind, **more)

    async def _result(self, facts: RunFacts, outcome: tools_pb2.ToolOutcome) -> Any:
        if outcome.artifact:
            return artifacts.reference(outcome.artifact, outcome.artifact_size)
        value = codec.loads(outcome.result_json) if 0 < len(outcome.result_json) <= INLINE_BYTES else None
        if len(outcome.result_json) > INLINE_BYTES or artifacts.referenced(value):
            # A result that only looks like a reference to an artifact must not be taken for one.
            digest = await self._store.put(facts.tenant_id, outcome.result_json)
            return artifacts.reference(digest, len(outcome.result_json))
        return value

    async def _uncertain(self, facts: RunFacts, effect: Effect, outcome: tools_pb2.ToolOutcome) -> Event:
        """Adds what the author said to do about it, as it is said now."""
        tool = await self._directory.find(facts.tenant, effect.target["server"], effect.target["tool"])
        policy, check = _uncertainty_policy(tool)
        if policy == "check" and not outcome.server_dead:
            policy = "ask"
        more = {"tool": target_path(effect), "policy": policy, "check": check}
        return failed(effect, "uncertain", "uncertain", outcome.message, **more)


def call_id(run_id: str, effect_id: str) -> str:
    """Returns the id under which an effect's call is made, however often it is asked for."""
    return f"{run_id}:{effect_id}"


def target_path(effect: Effect) -> str:
    """Returns the tool that an effect calls, as "server/tool"."""
    return f"{effect.target['server']}/{effect.target['tool']}"


def _uncertainty_policy(tool: tools_pb2.Tool | None) -> tuple[str, Any]:
    """Returns (policy, check): the author's word, else a check if there is one, else by the tool's effect."""
    if tool is None:
        return "ask", None
    check = codec.loads(tool.check_json) if tool.check_json else None
    if tool.on_uncertain:
        return tool.on_uncertain, check
    if check is not None:
        return "check", check
    harmless = tool.effect in (tools_pb2.TOOL_EFFECT_READ_ONLY, tools_pb2.TOOL_EFFECT_IDEMPOTENT)
    return ("retry" if harmless else "ask"), None
