"""From a parsed document to compiled rules. Every mistake in a document is found here, before a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

from quarterdeck.llm.constants import PLAYBOOK_MODEL_PREFIX
from quarterdeck.llm.playbook.document import AgentRules, Call, Extract, Rule, parse_document
from quarterdeck.llm.playbook.expressions import Evaluate, Scope, compile_cel
from quarterdeck.llm.playbook.extraction import Finder, compile_field
from quarterdeck.llm.playbook.transcript import VARIABLES
from quarterdeck.llm.playbook.values import compile_source, compile_steps, compile_value
from quarterdeck.llm.types import JsonValue


@dataclass(frozen=True)
class Steps:
    """What is worked out before a rule is chosen, or before it acts."""

    extract: Evaluate
    let: Evaluate


@dataclass(frozen=True)
class ToolCall:
    """One `call` entry; `items` is None when it is a single call."""

    tool: str
    arguments: Evaluate
    items: Evaluate | None


@dataclass(frozen=True)
class CompiledRule:
    """A rule. Exactly one of `calls`, `answer` and `say` is set."""

    name: str
    path: str
    when: Evaluate
    steps: Steps
    calls: tuple[ToolCall, ...] = ()
    answer: Evaluate | None = None
    say: Evaluate | None = None


@dataclass(frozen=True)
class CompiledAgent:
    """The rules of one agent."""

    steps: Steps
    rules: tuple[CompiledRule, ...]


@dataclass(frozen=True)
class Playbook:
    """A compiled document. `model` is how it names itself to people, `playbook/<name>`."""

    name: str
    description: str
    agents: Mapping[str, CompiledAgent]

    @property
    def model(self) -> str:
        """The model name of its answers."""
        return f"{PLAYBOOK_MODEL_PREFIX}{self.name}"


@lru_cache(maxsize=64)
def load_playbook(source: str | bytes) -> Playbook:
    """Parse and compile a document; the same content is compiled once per process.

    Raises `PlaybookInvalid` with the path of the first thing that is wrong.
    """
    document = parse_document(source)
    agents = {name: _compile_agent(rules, f"agents.{name}") for name, rules in document.agents.items()}
    return Playbook(document.name, document.description, agents)


def _compile_agent(agent: AgentRules, path: str) -> CompiledAgent:
    steps, scope = _compile_steps(agent, path, Scope(VARIABLES))
    rules = [_compile_rule(rule, f"{path}.rules[{i}]", scope) for i, rule in enumerate(agent.rules)]
    return CompiledAgent(steps, tuple(rules))


def _compile_rule(rule: Rule, path: str, outer: Scope) -> CompiledRule:
    when = rule.when
    steps, scope = _compile_steps(rule, path, outer)
    return CompiledRule(
        name=rule.name,
        path=path,
        when=compile_cel(when, f"{path}.when", outer) if isinstance(when, str) else _constant(when),
        steps=steps,
        calls=tuple(
            _compile_call(call, f"{path}.call[{i}]", scope) for i, call in enumerate(rule.call or ())
        ),
        answer=compile_value(rule.answer, f"{path}.answer", scope) if rule.action == "answer" else None,
        say=compile_value(rule.say, f"{path}.say", scope) if rule.action == "say" else None,
    )


def _compile_steps(level: AgentRules | Rule, path: str, scope: Scope) -> tuple[Steps, Scope]:
    """Compile what a level works out, and the scope of what comes after it."""
    extract, scope = _compile_extracts(level.extract, f"{path}.extract", scope)
    return Steps(extract, compile_steps(level.let, f"{path}.let", scope)), scope.with_names(*level.let)


def _compile_extracts(extracts: list[Extract], path: str, scope: Scope) -> tuple[Evaluate, Scope]:
    compiled = []
    for i, extract in enumerate(extracts):
        source = compile_source(extract.source, f"{path}[{i}].from", scope)
        fields = {
            name: compile_field(field, f"{path}[{i}].fields.{name}") for name, field in extract.fields.items()
        }
        compiled.append((source, fields))
        scope = scope.with_fields(fields)
    return partial(_extract, compiled), scope


def _extract(
    compiled: list[tuple[Evaluate, dict[str, Finder]]], bindings: Mapping[str, Any]
) -> dict[str, JsonValue]:
    values: dict[str, JsonValue] = {}
    for source, fields in compiled:
        text = source({**bindings, "extracted": {**bindings["extracted"], **values}})
        values |= {name: finder.find(text) for name, finder in fields.items()}
    return values


def _compile_call(call: Call, path: str, scope: Scope) -> ToolCall:
    arguments, argument_path = call.arguments, f"{path}.arguments"
    if call.items is None:
        return ToolCall(call.tool, compile_value(arguments, argument_path, scope), None)
    inner = scope.with_names("item", "index")
    items = compile_value(call.items, f"{path}.items", scope)
    return ToolCall(call.tool, compile_value(arguments, argument_path, inner), items)


def _constant(value: JsonValue) -> Evaluate:
    return lambda _bindings: value
