"""The tools of a simulation: what each does, and what its author says about it.

Every call names in its arguments a `key`, the one thing that it is to do.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from quarterdeck.common import codec
from quarterdeck.runtime.simulation.ledger import Ledger
from quarterdeck.v1 import tools_pb2

SERVER = "bank"
# Characters of what "bulk" answers: more than a journal takes.
LENGTH = 70_000
Status = tools_pb2.ToolOutcome.Status

_CHECK = {
    "tool": "find",
    "arguments": {"tool": "post", "key": "${arguments.key}"},
    "done": "${result.found}",
    "notDone": "${!result.found}",
    "outcome": {"done": "${arguments.key}"},
}


def _tool(
    name: str, effect: tools_pb2.ToolEffect.ValueType, policy: str = "", check: Any = None
) -> tools_pb2.Tool:
    return tools_pb2.Tool(
        server=SERVER,
        name=name,
        description=f"Does what {name} says, and keeps the books. " * 8,  # too long for a journal
        effect=effect,
        on_uncertain=policy,
        check_json=codec.dumps(check) if check else b"",
        input_schema_json=b'{"type":"object"}',
    )


TOOLS = {
    tool.name: tool
    for tool in (
        _tool("pay", tools_pb2.TOOL_EFFECT_WRITE),  # nothing is said: a person is asked
        _tool("post", tools_pb2.TOOL_EFFECT_WRITE, check=_CHECK),
        _tool("put", tools_pb2.TOOL_EFFECT_IDEMPOTENT),  # may be repeated
        _tool("wire", tools_pb2.TOOL_EFFECT_WRITE, "fail"),
        _tool("refund", tools_pb2.TOOL_EFFECT_IDEMPOTENT),
        _tool("flaky", tools_pb2.TOOL_EFFECT_WRITE),  # fails `fails` times for each key, doing nothing
        _tool("away", tools_pb2.TOOL_EFFECT_WRITE),  # is not there `fails` times for each key
        _tool("guarded", tools_pb2.TOOL_EFFECT_WRITE),  # needs an approval
        _tool("bulk", tools_pb2.TOOL_EFFECT_WRITE),  # answers at length
        _tool("bomb", tools_pb2.TOOL_EFFECT_IDEMPOTENT),  # kills the worker that calls it
        _tool("find", tools_pb2.TOOL_EFFECT_READ_ONLY),
    )
}


@dataclass(slots=True)
class Bank:
    """The tool server behind the manager: it does what it is told, as often as it is told."""

    ledger: Ledger
    _tries: Counter[tuple[str, str]] = field(default_factory=Counter)

    def answer(self, request: tools_pb2.CallToolRequest) -> tools_pb2.ToolOutcome:
        """Does what the call says, now, and returns the outcome."""
        arguments = codec.loads(request.arguments_json)
        special = _SPECIAL.get(request.tool)
        refused = special(self, request, arguments) if special else None
        if refused is not None:
            return refused
        if request.tool == "find":
            return _ok(request, {"found": self.ledger.has(arguments["tool"], arguments["key"])})
        self.ledger.record(request.tool, str(arguments["key"]), request.call_id)
        return _ok(request, result_of(request.tool, arguments["key"]))

    def _fails_first(
        self, request: tools_pb2.CallToolRequest, arguments: Mapping[str, Any]
    ) -> tools_pb2.ToolOutcome | None:
        name = (request.tool, str(arguments["key"]))
        self._tries[name] += 1
        if self._tries[name] > int(arguments.get("fails", 1)):
            return None
        status = Status.STATUS_TOOL_ERROR if request.tool == "flaky" else Status.STATUS_UNAVAILABLE
        return tools_pb2.ToolOutcome(call_id=request.call_id, status=status, message="not this time")

    def _guarded(
        self, request: tools_pb2.CallToolRequest, arguments: Mapping[str, Any]
    ) -> tools_pb2.ToolOutcome | None:
        if request.approval_id:
            return None
        return tools_pb2.ToolOutcome(
            call_id=request.call_id,
            status=Status.STATUS_NEEDS_APPROVAL,
            message="ask",
            approval_policy="boss",
        )


def result_of(tool: str, key: str) -> dict[str, Any]:
    """Returns what a tool that has done its work answers."""
    text = {"text": "x" * LENGTH} if tool == "bulk" else {}
    return {"done": key, **text}


def _ok(request: tools_pb2.CallToolRequest, result: Any) -> tools_pb2.ToolOutcome:
    return tools_pb2.ToolOutcome(
        call_id=request.call_id, status=Status.STATUS_OK, result_json=codec.dumps(result)
    )


_Special = Callable[[Bank, tools_pb2.CallToolRequest, Mapping[str, Any]], tools_pb2.ToolOutcome | None]
_SPECIAL: dict[str, _Special] = {
    "flaky": Bank._fails_first,
    "away": Bank._fails_first,
    "guarded": Bank._guarded,
}
