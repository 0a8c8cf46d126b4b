"""Compares what came of a case with what it expects. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from quarterdeck.cli.testing.case import Expectation
from quarterdeck.cli.testing.playing import Played
from quarterdeck.resources.errors import ExpressionError
from quarterdeck.resources.templates import compile_condition, holds
from quarterdeck.runtime.testing.matching import MISSING, differences

LONGEST = 200


@dataclass(frozen=True, slots=True)
class Mismatch:
    """One thing that is not as expected; `path` is the field of the case that says so."""

    path: str
    message: str


def mismatches(expect: Expectation, played: Played) -> list[Mismatch]:
    """Returns everything that is not as expected. What the case does not answer comes first."""
    found = [Mismatch(path, message) for path, message in played.problems]
    if not played.state:
        return found
    if played.state != expect.state:
        found.append(Mismatch("expect.state", f"expected {expect.state}, got {_state(played)}"))
    if expect.output is not None:
        found += _unlike("expect.output", expect.output, played.output)
    if expect.error is not None:
        found += _unlike("expect.error", expect.error, played.error)
    if expect.calls is not None:
        found += _calls([call.to_json() for call in expect.calls], played.calls)
    for name in ("approvals", "saved"):
        wanted = getattr(expect, name)
        if wanted is not None:
            found += _unlike(f"expect.{name}", wanted, getattr(played, name))
    return found + list(_conditions(expect.holds, played))


def _state(played: Played) -> str:
    if played.error:
        where = f" at {played.error['node']}" if played.error.get("node") else ""
        return f"{played.state}: {played.error.get('class')}{where}: {played.error.get('message')}"
    return f"{played.state}: {played.reason}" if played.reason else played.state


def _unlike(path: str, expected: Any, actual: Any) -> list[Mismatch]:
    return [
        Mismatch(path + found.path, f"expected {shown(found.expected)}, got {shown(found.actual)}")
        for found in differences(expected, actual)
    ]


def _calls(expected: Sequence[dict[str, Any]], actual: Sequence[dict[str, Any]]) -> list[Mismatch]:
    """Calls of other tools, or in another order, are shown as a whole; otherwise what differs in each."""
    wanted, made = ([f"{call['server']}/{call['name']}" for call in calls] for calls in (expected, actual))
    if wanted == made:
        return _unlike("expect.calls", expected, actual)
    place = next(
        (i for i, pair in enumerate(zip(wanted, made, strict=False)) if pair[0] != pair[1]),
        min(len(wanted), len(made)),
    )
    text = f"expected the calls {_names(wanted)}; got {_names(made)}"
    if place < len(actual):
        text += f"; the first that differs: {made[place]} {shown(actual[place]['arguments'])}"
    return [Mismatch(f"expect.calls[{place}]", text)]


def _names(calls: Sequence[str]) -> str:
    return ", ".join(calls) or "none"


def _conditions(conditions: Sequence[str], played: Played) -> Iterator[Mismatch]:
    bound = {
        "state": played.state,
        "output": played.output,
        "error": played.error,
        "calls": played.calls,
        "approvals": played.approvals,
        "saved": played.saved,
        "passed": played.passed,
        "cost": played.cost,
        "tokens": played.tokens,
    }
    for index, condition in enumerate(conditions):
        path = f"expect.holds[{index}]"
        try:
            if not holds(compile_condition(condition), bound):
                yield Mismatch(path, f"{condition} is false")
        except ExpressionError as error:
            yield Mismatch(path, f"{condition} cannot be evaluated: {error}")


def shown(value: Any) -> str:
    """Returns a value as one short line of JSON."""
    if value is MISSING:
        return "nothing"
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
