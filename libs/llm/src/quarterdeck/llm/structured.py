"""Checking an agent's final answer against its JSON Schema, and the one request to mend it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from quarterdeck.llm.constants import REPAIR_MARK
from quarterdeck.llm.errors import InvalidRequest
from quarterdeck.llm.sdk import strict_json
from quarterdeck.llm.types import JsonValue
from quarterdeck.resources.documents import MOST_VIOLATIONS, UnusableSchema, find_violations

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
    value, broken = _parse(answer)
    problem = broken or _problem(schema, value)
    if problem is None:
        return Ok(value)
    # A schema may ask for a string, and then any text is an answer.
    if isinstance(answer, str) and _problem(schema, answer) is None:
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


def _parse(answer: JsonValue) -> tuple[JsonValue, str | None]:
    """The value that an answer stands for, and what is wrong when it is not JSON."""
    if not isinstance(answer, str):
        return answer, None
    try:
        return strict_json(_without_fence(answer)), None
    except (ValueError, RecursionError) as problem:
        return None, f"$: the answer is not JSON: {problem}; it begins with {_short(answer, 80)!r}"


def _without_fence(text: str) -> str:
    stripped = text.strip()
    if stripped.startswith("```") and stripped.endswith("```") and "\n" in stripped:
        return stripped[stripped.index("\n") : -3]
    return stripped


def _problem(schema: Mapping[str, JsonValue], value: JsonValue) -> str | None:
    try:
        found = find_violations(value, schema, formats=True)
    except UnusableSchema as problem:
        raise InvalidRequest(f"the output schema cannot be used: {problem}") from problem
    if not found:
        return None
    lines = [f"{_json_path(place.path)}: {_short(place.message)}" for place in found[:PROBLEMS_SHOWN]]
    least = "at least " if len(found) == MOST_VIOLATIONS else ""
    more = [f"and {least}{len(found) - PROBLEMS_SHOWN} more"] if len(found) > PROBLEMS_SHOWN else []
    return "; ".join(lines + more)


def _json_path(path: tuple[str | int, ...]) -> str:
    """`$.items[2].amount`."""
    return "$" + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)


def _short(text: str, limit: int = 200) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
