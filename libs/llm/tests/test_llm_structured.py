"""Answers against schemas, and transcripts that grow too long."""

import itertools

import pytest

from quarterdeck.llm.compaction import (
    compacted,
    needs_compaction,
    plan_compaction,
    summary_request,
)
from quarterdeck.llm.constants import REPAIR_MARK, SUMMARY_MARK
from quarterdeck.llm.errors import InvalidRequest
from quarterdeck.llm.structured import Ok, Problem, check_output, repair_request
from quarterdeck.llm.types import Message, ModelRequest, ToolResult, ToolSpec, ToolUse

SCHEMA = {
    "type": "object",
    "properties": {
        "confidence": {"type": "number", "maximum": 1},
        "due": {"type": "string", "format": "date"},
        "lines": {"type": "array", "items": {"type": "integer"}},
    },
    "required": ["confidence"],
}


@pytest.mark.parametrize(
    "answer",
    [
        {"confidence": 0.9},
        '{"confidence": 0.9}',
        ' \n{"confidence": 0.9}\n',
        '```json\n{"confidence": 0.9}\n```',
    ],
)
def test_an_answer_that_fits(answer: object) -> None:
    assert check_output(answer, SCHEMA) == Ok({"confidence": 0.9})


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("I think so.", "not JSON"),
        ("", "not JSON"),
        ("{}", r"\$: 'confidence' is a required property"),
        ({"confidence": 2}, r"\$\.confidence: 2 is greater"),
        ({"confidence": 1, "lines": [1, "x"]}, r"\$\.lines\[1\]: 'x' is not of type 'integer'"),
        ('{"confidence": 1, "due": "tomorrow"}', r"\$\.due: 'tomorrow' is not a 'date'"),
        ("[" * 100_000, "not JSON"),
    ],
)
def test_an_answer_that_does_not_fit(answer: object, said: str) -> None:
    verdict = check_output(answer, SCHEMA)
    assert isinstance(verdict, Problem)
    with pytest.raises(AssertionError, match=said):
        raise AssertionError(verdict.message)


def test_many_problems_are_counted_not_listed() -> None:
    verdict = check_output({"confidence": 1, "lines": ["x"] * 50}, SCHEMA)
    assert isinstance(verdict, Problem)
    assert verdict.message.endswith("and at least 15 more")
    verdict = check_output({"confidence": 1, "lines": ["x"] * 9}, SCHEMA)
    assert isinstance(verdict, Problem)
    assert verdict.message.endswith("and 4 more")


def test_a_schema_for_text_takes_text() -> None:
    assert check_output("plain", {"type": "string"}) == Ok("plain")
    assert check_output("12", {"type": "string"}) == Ok("12")
    assert check_output("12", {"type": "integer"}) == Ok(12)


@pytest.mark.parametrize("schema", [{"type": "strange"}, {"$ref": "http://127.0.0.1:9/schema.json"}])
def test_a_wrong_schema_is_the_authors_error(schema: dict[str, str]) -> None:
    with pytest.raises(InvalidRequest, match="output schema"):
        check_output({}, schema)


def test_the_repair_request_says_what_and_how() -> None:
    text = repair_request(Problem("$: 'a' is missing"), SCHEMA)
    assert text.startswith(REPAIR_MARK)
    assert "$: 'a' is missing" in text
    assert '"confidence"' in text
    assert '"confidence"' not in repair_request("$: 'a' is missing")


def conversation(turns: int) -> list[Message]:
    """A task, and so many turns of two parallel tools each."""
    messages = [Message.user("The task")]
    for turn in range(turns):
        uses = [ToolUse(f"{turn}-{i}", "find", {"q": turn}) for i in range(2)]
        messages.append(Message.assistant(*uses))
        messages.append(Message.user(*[ToolResult(use.id, "x" * 100) for use in uses]))
    return messages


def test_the_threshold_is_the_estimate() -> None:
    messages = conversation(4)
    assert needs_compaction(messages, 100)
    assert not needs_compaction(messages, 10_000)


@pytest.mark.parametrize(("turns", "keep"), list(itertools.product(range(6), range(8))))
def test_a_tool_use_never_parts_from_its_result(turns: int, keep: int) -> None:
    messages = conversation(turns)
    plan = plan_compaction(messages, keep)
    assert [*plan.summarise, *plan.keep] == messages
    for part in (plan.summarise, plan.keep):
        used = {use.id for message in part for use in message.tool_uses}
        answered = {result.tool_use_id for message in part for result in message.tool_results}
        assert used == answered
    assert sum(message.role == "assistant" for message in plan.keep) == min(turns, max(1, keep))


def test_a_persons_question_stays_with_its_answer() -> None:
    messages = [
        Message.user("A?"),
        Message.assistant("a"),
        Message.user("B?"),
        Message.user("really"),
        Message.assistant("b"),
    ]
    plan = plan_compaction(messages, 1)
    assert plan.keep == tuple(messages[2:])


def test_the_summary_takes_the_place_of_what_it_stands_for() -> None:
    request = ModelRequest(
        tuple(conversation(5)), system="Be brief.", tools=(ToolSpec("find", "", {}),), output_schema=SCHEMA
    )
    plan = plan_compaction(request.messages, 2)
    asked = summary_request(request, plan)
    assert asked.messages[:-1] == plan.summarise
    assert "Summarise" in asked.messages[-1].text
    assert (asked.system, asked.tools, asked.output_schema) == (request.system, request.tools, None)
    assert asked.metadata.purpose == "summary"
    after = compacted(plan, "All is well.")
    assert after[0] == Message.user(f"{SUMMARY_MARK}\nAll is well.")
    assert after[1:] == plan.keep
    assert plan_compaction(after, 1).summarise[0] == after[0], "an earlier summary is summarised too"


def test_nothing_to_summarise_changes_nothing() -> None:
    messages = conversation(1)
    assert compacted(plan_compaction(messages, 4), "unused") == tuple(messages)
