"""The tools of a server as callers see them: filtered, with the author's word about each, and pinned."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

from quarterdeck.common import codec
from quarterdeck.mcp.constants import INLINE_BYTES
from quarterdeck.mcp.offload import Offload
from quarterdeck.mcp.schema import Problem, compile_schema, find_problem, may_run_long

if TYPE_CHECKING:
    from jsonschema.protocols import Validator


class Effect(Enum):
    """What calling a tool does to the world."""

    READ_ONLY = "readOnly"
    IDEMPOTENT = "idempotent"
    WRITE = "write"


@dataclass(frozen=True, slots=True)
class ToolRule:
    """What the author of an MCPServer says about one tool, see `spec.tools`.

    `effect` is None when nothing is said; `check` is the spec's object; `timeout` is in seconds, 0 for the
    server's default; `cache_ttl` is in seconds, 0 for none; `per_minute` is 0 for any number of calls.
    """

    effect: Effect | None = None
    on_uncertain: str = ""
    check: Mapping[str, Any] | None = None
    timeout: float = 0.0
    cache_ttl: float = 0.0
    per_minute: int = 0


@dataclass(slots=True)
class Tool:
    """A tool that may be called.

    Args:
        pin: hash over name, description, schemas and annotations.
        input_schema: JSON Schema of its arguments.
        output_schema: JSON Schema of its structured result, None when it has none.
        cache_ttl: how long a result may be given to equal calls, in seconds; 0 unless the author says so.
        per_minute: calls a minute, 0 for any number.
    """

    name: str
    description: str
    input_schema: dict[str, Any]
    output_schema: dict[str, Any] | None
    effect: Effect
    on_uncertain: str
    check: Mapping[str, Any] | None
    timeout: float
    pin: str
    cache_ttl: float = 0.0
    per_minute: int = 0
    _compiled: dict[str, Validator | None] = field(default_factory=dict, repr=False)

    async def argument_problem(
        self, arguments: dict[str, Any], size: int, offload: Offload
    ) -> Problem | None:
        """Returns what is wrong with the arguments, None when they fit. Raises BadSchema or Unavailable.

        Args:
            arguments: what the caller wants to send.
            size: their length as JSON; large ones are checked in the worker process.
            offload: the worker process.
        """
        validator = self._validator("input", self.input_schema)
        if validator is None or size > INLINE_BYTES:
            return await offload.find_problem(self.input_schema, codec.dumps(arguments))
        return find_problem(validator, arguments)

    async def result_problem(self, value: Any, size: int, offload: Offload) -> Problem | None:
        """Returns what is wrong with a structured result, None when it fits or the tool declares nothing."""
        if self.output_schema is None:
            return None
        validator = self._validator("output", self.output_schema)
        if validator is None or size > INLINE_BYTES:
            return await offload.find_problem(self.output_schema, codec.dumps(value))
        return find_problem(validator, value)

    def _validator(self, which: str, schema: dict[str, Any]) -> Validator | None:
        """Compiles once; None for a schema that must not be run in the event loop."""
        if which not in self._compiled:
            self._compiled[which] = None if may_run_long(schema) else compile_schema(schema)
        return self._compiled[which]


def read_tools(
    listed: Iterable[Mapping[str, Any]],
    allowed: frozenset[str] | None,
    rules: Mapping[str, ToolRule],
    trust_annotations: bool = False,
) -> dict[str, Tool]:
    """Returns the tools that may be called, by name.

    Args:
        listed: tools as they come over the wire.
        allowed: names of `spec.allowedTools`; None: every tool.
        rules: `spec.tools` by name.
        trust_annotations: whether a server's own hints count where the author says nothing.
    """
    return {
        str(tool["name"]): _read_tool(tool, rules.get(str(tool["name"]), ToolRule()), trust_annotations)
        for tool in listed
        if allowed is None or tool["name"] in allowed
    }


def _read_tool(tool: Mapping[str, Any], rule: ToolRule, trust_annotations: bool) -> Tool:
    effect = rule.effect or (_hinted(tool.get("annotations") or {}) if trust_annotations else Effect.WRITE)
    return Tool(
        name=str(tool["name"]),
        description=str(tool.get("description") or tool.get("title") or ""),
        input_schema=dict(tool.get("inputSchema") or {"type": "object"}),
        output_schema=tool.get("outputSchema"),
        effect=effect,
        on_uncertain=rule.on_uncertain or default_on_uncertain(effect, rule.check is not None),
        check=rule.check,
        timeout=rule.timeout,
        pin=pin_of(tool),
        # A server's own hint that a tool only reads is not the author's word.
        cache_ttl=rule.cache_ttl if rule.effect is Effect.READ_ONLY else 0.0,
        per_minute=rule.per_minute,
    )


def _hinted(annotations: Mapping[str, Any]) -> Effect:
    if annotations.get("readOnlyHint") is True:
        return Effect.READ_ONLY
    return Effect.IDEMPOTENT if annotations.get("idempotentHint") is True else Effect.WRITE


def default_on_uncertain(effect: Effect, has_check: bool) -> str:
    """Returns what to do about an unknown outcome when the author does not say."""
    if has_check:
        return "check"
    return "ask" if effect is Effect.WRITE else "retry"


def pin_of(tool: Mapping[str, Any]) -> str:
    """Returns the hash of everything about a tool that a model or a policy relies on."""
    keys = ("name", "description", "inputSchema", "outputSchema", "annotations")
    return codec.digest({key: tool.get(key) for key in keys})
