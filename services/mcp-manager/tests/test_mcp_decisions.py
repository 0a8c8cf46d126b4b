"""The pure parts: restarts, policies, pins, results, schemas."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quarterdeck.mcp.catalog import Effect, ToolRule, pin_of, read_tools
from quarterdeck.mcp.failures import Lost, Refused, TimedOut, Unusable
from quarterdeck.mcp.outcome import Status, unanswerable
from quarterdeck.mcp.pins import held_tools
from quarterdeck.mcp.policy import Allow, CallFacts, Deny, NeedsApproval, Rule, decide
from quarterdeck.mcp.results import error_text, result_value
from quarterdeck.mcp.schema import BadSchema, compile_schema, find_problem, may_run_long
from quarterdeck.mcp.supervisor import Crash, Decision, RestartRule, next_restart

RULE = RestartRule(initial_delay=1, max_delay=60, crash_loop_after=3)
WRITE = CallFacts(
    "default", "anna", "ledger", "book", Effect.WRITE, {"amount": 5}, "matcher", run="r-1", cost=0.5
)
READ = dataclasses.replace(WRITE, tool="list", effect=Effect.READ_ONLY)


def crashes(*times: float, lived: float = 0.0) -> list[Crash]:
    return [Crash(at, lived, "died") for at in times]


# Restarts.


def test_the_first_start_waits_for_nothing() -> None:
    assert next_restart([], RULE, 100) == Decision(0.0, crash_loop=False, crashes=0)


def test_delays_double_up_to_the_maximum() -> None:
    delays = []
    for count in range(1, 10):
        history = crashes(*range(count))
        delays.append(next_restart(history, RULE, count - 1).not_before - (count - 1))
    assert delays == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_too_many_crashes_in_a_row_are_a_loop() -> None:
    assert not next_restart(crashes(0, 1), RULE, 1).crash_loop
    assert next_restart(crashes(0, 1, 2), RULE, 2).crash_loop


def test_a_server_that_lived_long_begins_anew() -> None:
    history = [*crashes(0, 1, 2, 3), Crash(500, 400, "died")]
    assert next_restart(history, RULE, 500) == Decision(501, crash_loop=False, crashes=1)


def test_a_crash_long_ago_is_forgotten() -> None:
    assert next_restart(crashes(0, 1, 2), RULE, 100).not_before == 0


@given(st.lists(st.tuples(st.floats(0, 1e6), st.floats(0, 1e4)), max_size=30), st.floats(0, 1e6))
def test_a_restart_is_never_further_off_than_the_maximum(past: list[tuple[float, float]], now: float) -> None:
    history = [Crash(at, lived, "") for at, lived in sorted(past)]
    now = max([now, *(crash.at for crash in history)])
    assert next_restart(history, RULE, now).not_before <= now + RULE.max_delay


# Policies.


def test_without_a_rule_reading_is_allowed_and_writing_needs_an_approval() -> None:
    assert decide([], READ) == Allow()
    verdict = decide([], WRITE)
    assert isinstance(verdict, NeedsApproval)
    assert verdict.message == "ledger/book may change something and no policy allows it"


def test_a_rule_speaks_only_of_what_it_matches() -> None:
    allow = Rule("Policy/p", "r", "allow", tools=("ledger/*",), agents=("match*",))
    assert decide([allow], WRITE) == Allow("Policy/p")
    others: list[dict[str, Any]] = [{"server": "bank"}, {"agent": "writer"}, {"agent": ""}]
    for other in others:
        assert isinstance(decide([allow], dataclasses.replace(WRITE, **other)), NeedsApproval)


@pytest.mark.parametrize(
    "condition",
    [
        "arguments.amount < 10",
        "principal == 'anna' && tenant == 'default'",
        "tool.server == 'ledger' && tool.name == 'book' && tool.effect == 'write'",
        "cost < 1.0 && agent == 'matcher' && run.id == 'r-1'",
        "timestamp(now).getDayOfWeek('Europe/Berlin') == 4",
    ],
)
def test_conditions_see_the_call(condition: str) -> None:
    assert decide([Rule("p", "r", "allow", when=condition)], WRITE) == Allow("p")
    assert isinstance(decide([Rule("p", "r", "allow", when=f"!({condition})")], WRITE), NeedsApproval)


@pytest.mark.parametrize(
    "condition", ["arguments.missing == 1", "1 / 0 == 1", "arguments.amount", "nonsense("]
)
def test_a_condition_that_cannot_be_evaluated_denies(condition: str) -> None:
    verdict = decide([Rule("Policy/p", "r", "allow", when=condition)], READ)
    assert isinstance(verdict, Deny)
    assert "rule 'r' of Policy/p could not be evaluated" in verdict.message


def test_what_is_not_enforced_denies_the_calls_it_governs() -> None:
    redact = Rule("Policy/p", "hide", "redact", tools=("ledger/book",))
    verdict = decide([redact], WRITE)
    assert isinstance(verdict, Deny)
    assert "'redact', which is not enforced yet" in verdict.message
    assert decide([redact], READ) == Allow()


def test_an_approval_names_who_is_asked() -> None:
    rule = Rule("Policy/p", "r", "requireApproval", approval="reviewers", message="look at it first")
    assert decide([rule], READ) == NeedsApproval("Policy/p", "reviewers", "look at it first")


RANK = {"deny": 3, "requireApproval": 2, "allow": 1}
VERDICTS = {3: Deny, 2: NeedsApproval, 1: Allow}


@given(st.lists(st.tuples(st.sampled_from(sorted(RANK)), st.integers(-5, 5)), min_size=1, max_size=8))
def test_deny_beats_approval_beats_allow_in_any_order(rules: list[tuple[str, int]]) -> None:
    made = [Rule(f"p{n}", "r", effect, priority=priority) for n, (effect, priority) in enumerate(rules)]
    highest = max(RANK[effect] for effect, _ in rules)
    verdict = decide(made, WRITE)
    assert isinstance(verdict, VERDICTS[highest])
    told = max(priority for effect, priority in rules if RANK[effect] == highest)
    assert made[int(verdict.policy[1:])].priority == told


# Pins and effects.


def test_pins_hold_back_what_nobody_looked_at() -> None:
    present, recorded = {"a": "1", "b": "2"}, {"a": "1", "b": "old"}
    assert held_tools("off", present, {}, ()) == frozenset()
    assert held_tools("onFirstUse", present, recorded, ()) == {"b"}
    assert held_tools("onFirstUse", present, recorded, {"2"}) == frozenset()
    assert held_tools("strict", present, recorded, {"2"}) == {"a"}


def test_a_pin_covers_what_a_model_relies_on() -> None:
    tool = {"name": "t", "description": "d", "inputSchema": {"type": "object"}, "title": "T"}
    assert pin_of(tool) == pin_of({**tool, "title": "other"})
    for key in ("name", "description", "inputSchema", "outputSchema", "annotations"):
        assert pin_of(tool) != pin_of({**tool, key: {"changed": True}})


def test_the_authors_word_counts_and_the_servers_only_when_trusted() -> None:
    listed = [{"name": n, "inputSchema": {}, "annotations": {"readOnlyHint": True}} for n in ("a", "b", "c")]
    rules = {"a": ToolRule(Effect.IDEMPOTENT)}
    distrusted = read_tools(listed, frozenset("ab"), rules)
    assert {name: tool.effect for name, tool in distrusted.items()} == {
        "a": Effect.IDEMPOTENT,
        "b": Effect.WRITE,
    }
    assert [tool.on_uncertain for tool in distrusted.values()] == ["retry", "ask"]
    assert read_tools(listed, None, rules, trust_annotations=True)["b"].effect is Effect.READ_ONLY


@pytest.mark.parametrize(
    ("error", "statuses"),
    [
        (Refused(""), (Status.TOOL_ERROR, Status.TOOL_ERROR, Status.TOOL_ERROR)),
        (TimedOut(""), (Status.TIMEOUT, Status.TIMEOUT, Status.UNCERTAIN)),
        (Lost(""), (Status.TOOL_ERROR, Status.UNCERTAIN, Status.UNCERTAIN)),
        (Unusable(""), (Status.TOOL_ERROR, Status.UNCERTAIN, Status.UNCERTAIN)),
    ],
)
def test_what_a_lost_answer_means_depends_on_the_tool(error: Any, statuses: tuple[Status, ...]) -> None:
    effects = (Effect.READ_ONLY, Effect.IDEMPOTENT, Effect.WRITE)
    assert tuple(unanswerable(effect, error, "i").status for effect in effects) == statuses


# Results and schemas.


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        ({"content": [], "structuredContent": {"n": 1}}, {"n": 1}),
        ({"content": [{"type": "text", "text": '{"n": 1}'}]}, {"n": 1}),
        ({"content": [{"type": "text", "text": " [1, 2]"}]}, [1, 2]),
        ({"content": [{"type": "text", "text": "42"}]}, {"text": "42"}),
        ({"content": [{"type": "text", "text": "[note] no JSON"}]}, {"text": "[note] no JSON"}),
        ({"content": [{"type": "text", "text": '{"n": NaN}'}]}, {"text": '{"n": NaN}'}),
        ({"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}, {"text": "a\nb"}),
        ({"content": [{"type": "image", "data": "x"}]}, {"content": [{"type": "image", "data": "x"}]}),
        ({"content": []}, {"text": ""}),
        ({"content": [{"type": "text", "text": "[" * 100_000}]}, {"text": "[" * 100_000}),
    ],
)
def test_a_result_has_one_value(result: dict[str, Any], expected: Any) -> None:
    assert result_value(result) == expected


def test_an_error_is_told_in_bounds() -> None:
    assert error_text({"content": []}) == "the tool failed and gave no reason"
    assert len(error_text({"content": [{"type": "text", "text": "x" * 10_000}]})) < 2100


def test_problems_have_paths() -> None:
    item = {"type": "object", "properties": {"amount": {"type": "number"}}}
    validator = compile_schema({"type": "object", "properties": {"items": {"type": "array", "items": item}}})
    problem = find_problem(validator, {"items": [{}, {"amount": "5"}]})
    assert problem is not None
    assert (problem.path, problem.message) == ("items[1].amount", "'5' is not of type 'number'")
    assert find_problem(validator, {"items": []}) is None


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "no-such-type"}, "not a valid JSON Schema"),
        ({"$ref": "http://127.0.0.1:1/schema"}, "does not resolve inside the schema"),
        ({"$ref": "#"}, "refers to itself without end"),
    ],
)
def test_schemas_that_cannot_be_used_are_told(schema: dict[str, Any], words: str) -> None:
    with pytest.raises(BadSchema, match=words):
        find_problem(compile_schema(schema), {})


def test_patterns_are_known_to_take_long() -> None:
    assert may_run_long({"properties": {"a": {"anyOf": [{"pattern": "x"}]}}})
    assert not may_run_long({"properties": {"a": {"type": "string"}}})
