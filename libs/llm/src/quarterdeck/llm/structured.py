"""Checking an agent's final answer against its JSON Schema, and the one request to mend it.

The `jsonschema` package is imported on first use; a compiled schema is kept.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from quarterdeck.llm.constants import REPAIR_MARK
from quarterdeck.llm.errors import InvalidRequest
from quarterdeck.llm.types import JsonValue

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

PROBLEMS_SHOWN = 5
"""How many places a message names."""


@dataclass(frozen=True, slots=True)
class Ok:
    """The answer fits; `value` is the parsed JSON."""

    value: JsonValue


@dataclass(frozen=True, slots=True)
class Problem:
    """The answer does not fit; `message` names the places and what is wrong there."""

    message: str


def check_output(answer: JsonValue, schema: Mapping[str, JsonValue]) -> Ok | Problem:
    """Check an answer: a value, or a text that should be JSON (a fence around it does no harm).

    Raises `InvalidRequest` when the schema itself is wrong.
    """
    validator = _validator(json.dumps(schema, sort_keys=True))
    value, broken = _parse(answer)
    problem = broken or _problem(validator, value)
    if problem is None:
        return Ok(value)
    # A schema may ask for a string, and then any text is an answer.
    if isinstance(answer, str) and _problem(validator, answer) is None:
        return Ok(answer)
    return Problem(problem)


def instruction(schema: Mapping[str, JsonValue]) -> str:
    """What a model is told when its provider cannot enforce the schema itself."""
    return (
        "When you give your final answer, answer with one JSON value and nothing else. "
        f"It must satisfy this JSON Schema:\n{json.dumps(schema, ensure_ascii=False)}"
    )


def repair_request(problem: Problem | str, schema: Mapping[str, JsonValue] | None = None) -> str:
    """The text of the one user message that asks for a mended answer; it follows the wrong one.

    The schema is repeated when given; a model that was shown it before can do without.
    """
    shown = f" The schema is:\n{json.dumps(schema, ensure_ascii=False)}" if schema is not None else ""
    return (
        f"{REPAIR_MARK} Your final answer does not satisfy the required JSON Schema.\n"
        f"{problem.message if isinstance(problem, Problem) else problem}\n"
        f"Answer again with the corrected JSON value only: no explanation, no code fence.{shown}"
    )


@lru_cache(maxsize=256)
def _validator(schema: str) -> Validator:
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import SchemaError
    from referencing import Registry

    parsed = json.loads(schema)
    try:
        Draft202012Validator.check_schema(parsed)
    except SchemaError as problem:
        raise InvalidRequest(f"the output schema is not a JSON Schema: {problem.message}") from problem
    # An empty registry: a reference to another document must not be fetched.
    return Draft202012Validator(
        parsed, registry=Registry(), format_checker=Draft202012Validator.FORMAT_CHECKER
    )


def _parse(answer: JsonValue) -> tuple[JsonValue, str | None]:
    """The value that an answer stands for, and what is wrong when it is not JSON."""
    if not isinstance(answer, str):
        return answer, None
    try:
        return json.loads(_without_fence(answer)), None
    except (json.JSONDecodeError, RecursionError) as problem:
        return None, f"$: the answer is not JSON: {problem}; it begins with {_short(answer, 80)!r}"


def _without_fence(text: str) -> str:
    stripped = text.strip()
    if stripped.startswith("```") and stripped.endswith("```") and "\n" in stripped:
        return stripped[stripped.index("\n") : -3]
    return stripped


def _problem(validator: Validator, value: JsonValue) -> str | None:
    from referencing.exceptions import Unresolvable

    try:
        errors = sorted(validator.iter_errors(value), key=lambda error: list(map(str, error.absolute_path)))
    except Unresolvable as problem:
        raise InvalidRequest(
            f"the output schema refers to {problem.ref!r}, which it does not hold"
        ) from problem
    if not errors:
        return None
    lines = [f"{error.json_path}: {_short(error.message)}" for error in errors[:PROBLEMS_SHOWN]]
    more = [f"and {len(errors) - PROBLEMS_SHOWN} more"] if len(errors) > PROBLEMS_SHOWN else []
    return "; ".join(lines + more)


def _short(text: str, limit: int = 200) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
