"""The playbook: rules in, tool calls and answers out."""

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from quarterdeck.llm.compaction import compacted, plan_compaction, summary_request
from quarterdeck.llm.constants import REPAIR_MARK
from quarterdeck.llm.errors import PlaybookFailed, PlaybookInvalid
from quarterdeck.llm.playbook import PlaybookProvider, inline_playbooks, load_playbook
from quarterdeck.llm.playbook.transcript import resolve_tool, short_name
from quarterdeck.llm.types import (
    Message,
    ModelDelta,
    ModelRequest,
    ModelResponse,
    Provider,
    RequestMetadata,
    ToolResult,
    ToolSpec,
    Usage,
)


def document(*rules: Mapping[str, Any], **agent: Any) -> str:
    """A playbook with one agent `a`."""
    named = [{"name": f"rule-{number}", **rule} for number, rule in enumerate(rules)]
    return yaml.safe_dump({"kind": "Playbook", "name": "test", "agents": {"a": {**agent, "rules": named}}})


def ask(
    source: str,
    *messages: Message,
    value: Any = None,
    tools: Sequence[str] = (),
    turn: int = 0,
    schema: Mapping[str, Any] | None = None,
) -> ModelResponse:
    """One turn of the agent `a`."""
    request = ModelRequest(
        messages or (Message.user("Begin"),),
        tools=tuple(ToolSpec(tool, "", {"type": "object"}) for tool in tools),
        output_schema=schema,
        metadata=RequestMetadata(agent="a", input=value, turn=turn),
    )
    return asyncio.run(PlaybookProvider.from_text(source).generate(request))


def answer(source: str, *messages: Message, **options: Any) -> Any:
    """The answer as JSON."""
    return json.loads(ask(source, *messages, schema={}, **options).message.text)


def talk(
    source: str, results: Mapping[str, Any], *, tools: Sequence[str], value: Any = None
) -> list[Message]:
    """The whole conversation when each tool always gives the same."""
    messages = [Message.user("Begin")]
    for _ in range(10):
        response = ask(source, *messages, tools=tools, value=value)
        messages.append(response.message)
        if not response.message.tool_uses:
            return messages
        given = [ToolResult(use.id, results[use.name]) for use in response.message.tool_uses]
        messages.append(Message.user(*given))
    raise AssertionError("it never ends")


def test_it_is_a_provider_and_says_what_it_is() -> None:
    provider = PlaybookProvider.from_text(document({"say": "Hi."}))
    assert isinstance(provider, Provider)
    assert (provider.name, provider.model, provider.models) == (
        "playbook",
        "playbook/test",
        ("playbook/test",),
    )
    response = ask(document({"say": "Hi."}))
    assert (response.provider, response.model) == ("playbook", "playbook/test")


def test_the_first_rule_that_applies_is_taken() -> None:
    source = document(
        {"when": "input > 10", "say": "big"}, {"when": "${input > 5}", "say": "middle"}, {"say": "small"}
    )
    assert [ask(source, value=value).message.text for value in (20, 7, 1)] == ["big", "middle", "small"]


def test_answers_keep_their_types_and_say_gives_text() -> None:
    assert answer(document({"answer": {"n": "${input + 1}", "t": "n is ${input}"}}), value=1) == {
        "n": 2,
        "t": "n is 1",
    }
    assert ask(document({"answer": "plain"})).message.text == "plain"
    assert answer(document({"answer": "plain"})) == "plain"
    assert ask(document({"say": "You said ${message}"})).message.text == "You said Begin"


def test_turns_results_and_parallel_calls() -> None:
    source = document(
        {"when": "turn == 1", "call": [{"tool": "list", "arguments": {"of": "${input}"}}, {"tool": "now"}]},
        {
            "when": "size(tools.book) == 0",
            "call": [
                {"tool": "book", "items": "${last.list.ids}", "arguments": {"id": "${item}", "n": "${index}"}}
            ],
        },
        {"answer": {"booked": "${size(tools.book)}", "at": "${last.now}", "unused": "${last.other}"}},
    )
    messages = talk(
        source,
        {"list": '{"ids": [7, 8]}', "now": "noon", "book": {"ok": True}},
        tools=["list", "now", "book", "other"],
        value="May",
    )
    assert [(use.name, use.arguments) for use in messages[1].tool_uses] == [
        ("list", {"of": "May"}),
        ("now", {}),
    ]
    assert [use.arguments for use in messages[3].tool_uses] == [{"id": 7, "n": 0}, {"id": 8, "n": 1}]
    assert json.loads(messages[-1].text) == {"booked": 2, "at": "noon", "unused": None}
    ids = [use.id for message in messages for use in message.tool_uses]
    assert len(set(ids)) == len(ids)


def test_the_same_request_gives_the_same_answer_in_another_process() -> None:
    source = document({"call": [{"tool": "now"}]})
    assert ask(source, tools=["now"]) == ask(source, tools=["now"])


def test_failures_are_kept_apart() -> None:
    source = document(
        {"when": "size(failed.find) > 0", "answer": "${failed.find[0]}"}, {"call": [{"tool": "find"}]}
    )
    first = ask(source, tools=["find"])
    failed = Message.user(ToolResult(first.message.tool_uses[0].id, "no such file", is_error=True))
    assert (
        ask(source, Message.user("Begin"), first.message, failed, tools=["find"]).message.text
        == "no such file"
    )


def test_earlier_turns_of_a_chat_do_not_count() -> None:
    source = document(
        {"when": "turn == 1", "call": [{"tool": "now"}]}, {"say": "${message} ${size(tools.now)}"}
    )
    messages = talk(source, {"now": "noon"}, tools=["now"])
    assert messages[-1].text == "Begin 1"
    messages.append(Message.user("Again"))
    second = ask(source, *messages, tools=["now"])
    assert second.message.tool_uses
    given = Message.user(ToolResult(second.message.tool_uses[0].id, "one"))
    assert ask(source, *messages, second.message, given, tools=["now"]).message.text == "Again 1"


def test_a_repair_request_begins_nothing() -> None:
    source = document({"when": "turn == 1", "call": [{"tool": "now"}]}, {"say": "turn ${turn}"})
    messages = [*talk(source, {"now": "noon"}, tools=["now"]), Message.user(f"{REPAIR_MARK} please")]
    assert ask(source, *messages, tools=["now"]).message.text == "turn 3"


def test_after_compaction_the_run_goes_on() -> None:
    source = document({"when": "turn < 4", "call": [{"tool": "now"}]}, {"say": "done in turn ${turn}"})
    messages = talk(source, {"now": "noon"}, tools=["now"])[:-1]
    plan = plan_compaction(messages, 1)
    metadata = RequestMetadata(agent="a")
    provider = PlaybookProvider.from_text(source)
    asked = summary_request(ModelRequest(tuple(messages), metadata=metadata), plan)
    summary = asyncio.run(provider.generate(asked)).message
    assert "called now with {}" in summary.text
    assert "it gave: noon" in summary.text
    after = compacted(plan, summary.text)
    assert ask(source, *after, tools=["now"], turn=4).message.text == "done in turn 4"


def test_tools_are_found_without_their_server() -> None:
    source = document({"when": "size(tools.book) > 0", "say": "${last.book}"}, {"call": [{"tool": "book"}]})
    first = ask(source, tools=["ledger__book", "crm__find"])
    assert first.message.tool_uses[0].name == "ledger__book"
    given = Message.user(ToolResult(first.message.tool_uses[0].id, "ok"))
    assert (
        ask(source, Message.user("Begin"), first.message, given, tools=["ledger__book"]).message.text == "ok"
    )
    assert [short_name(name) for name in ("a__b", "a/b", "a.b", "b")] == ["b"] * 4
    assert resolve_tool("book", ["x__book", "y__book"]) is None


def test_extraction_and_let_see_what_came_before() -> None:
    source = document(
        {
            "when": "extracted.number == 'INV-7' && rate == 2",
            "extract": [
                {"from": "${input}", "fields": {"rest": {"patterns": ["after (.*)"]}}},
                {"from": "${extracted.rest}", "fields": {"word": {"patterns": [r"\w+"]}}},
            ],
            "let": {"one": "${rate - 1}", "two": "${one + 1}"},
            "answer": {"word": "${extracted.word}", "two": "${two}", "none": "${extracted.missing}"},
        },
        extract={
            "from": "${input}",
            "fields": {"number": {"patterns": [r"no (\S+)"]}, "missing": {"patterns": ["nothing of this"]}},
        },
        let={"rate": "${2}"},
    )
    assert answer(source, value="no INV-7 after all that") == {"word": "all", "two": 2, "none": None}


def test_usage_is_the_estimate_and_deltas_are_sent() -> None:
    deltas: list[ModelDelta] = []
    request = ModelRequest((Message.user("12345678"),), system="1234", metadata=RequestMetadata(agent="a"))
    provider = PlaybookProvider.from_text(document({"say": "Hello"}))
    response = asyncio.run(provider.generate(request, deltas.append))
    assert response.usage == Usage(1 + 4 + 2, 2)
    assert deltas == [ModelDelta(text="Hello")]


@pytest.mark.parametrize(
    ("source", "path", "said"),
    [
        ("kind: [", "", "YAML"),
        ("a: &x [1]\nb: *x", "", "line 2: aliases"),
        ("x" * 300_000, "", "at most 262144"),
        ("[" * 5000, "", "YAML"),
        ("kind: Other\nname: x\nagents: {}", "kind", "Playbook"),
        (document({"say": "x", "answer": 1}), "agents.a.rules[0]", "exactly one of"),
        (document({}), "agents.a.rules[0]", "exactly one of"),
        (document({"say": "x", "wen": "true"}), "agents.a.rules[0].wen", "not permitted"),
        (document({"say": "x", "when": "inptu == 1"}), "agents.a.rules[0].when", "inptu"),
        (document({"say": "x", "when": "1 +"}), "agents.a.rules[0].when", "1 +"),
        (document({"say": "${lats.find}"}), "agents.a.rules[0].say", "lats"),
        (
            document({"answer": {"a": ["${extracted.x}"]}}),
            "agents.a.rules[0].answer.a[0]",
            "nothing extracts",
        ),
        (document({"say": "x", "let": {"turn": 1}}), "agents.a.rules[0].let.turn", "taken"),
        (document({"say": "x", "let": {"for": 1}}), "agents.a.rules[0].let.for", "taken"),
        (
            document({"say": "x", "let": {"y": {"$nope": {}}}}),
            "agents.a.rules[0].let.y.$nope",
            "there are $addDays",
        ),
        (
            document({"say": "x", "let": {"y": {"$sort": {"items": []}}}}),
            "agents.a.rules[0].let.y.$sort",
            "needs the argument 'by'",
        ),
        (
            document({"say": "x", "let": {"y": {"$days": {"start": "a", "stop": "b"}}}}),
            "agents.a.rules[0].let.y.$days",
            "no argument 'stop'",
        ),
        (
            document({"say": "x", "extract": {"from": "t", "fields": {"f": {"patterns": ["("]}}}}),
            "agents.a.rules[0].extract[0].fields.f.patterns[0]",
            "regular expression",
        ),
        (
            document({"say": "x", "extract": {"from": "t", "fields": {"f": {"patterns": ["x" * 401]}}}}),
            "agents.a.rules[0].extract[0].fields.f.patterns[0]",
            "longer than 400",
        ),
        (document({"name": "r", "say": "x"}, {"name": "r", "say": "y"}), "agents.a", "two rules"),
    ],
)
def test_a_wrong_document_is_refused_with_its_place(source: str, path: str, said: str) -> None:
    with pytest.raises(PlaybookInvalid) as caught:
        load_playbook(source)
    assert caught.value.path == path
    assert said in caught.value.message


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ({"when": "turn == 2", "say": "x"}, "no rule for the agent 'a' applies in turn 1"),
        ({"when": "input", "say": "x"}, "agents.a.rules[0].when: gives 3"),
        ({"when": "input.deep == 1", "say": "x"}, "agents.a.rules[0].when"),
        ({"answer": {"a": "${1 / 0}"}}, "agents.a.rules[0].answer.a"),
        ({"call": [{"tool": "nope"}]}, "not offered the tool 'nope'"),
        ({"call": [{"tool": "now", "items": []}]}, "makes 0 tool calls"),
        ({"call": [{"tool": "now", "items": "${[1].map(x, 'a')[0]}"}]}, "not a list"),
        (
            {"let": {"x": {"$each": {"items": "${input}"}}}, "say": "x"},
            "let.x.$each: a list is needed, not int",
        ),
        ({"let": {"x": {"$each": {"items": [1], "where": "item"}}}, "say": "x"}, "neither true nor false"),
        (
            {"extract": {"from": "${input}", "fields": {"f": {"patterns": ["x"]}}}, "say": "x"},
            "a text is needed, not int",
        ),
    ],
)
def test_what_fails_in_a_turn_says_where(rule: Mapping[str, Any], said: str) -> None:
    with pytest.raises(PlaybookFailed) as caught:
        ask(document(rule), value=3, tools=["now"])
    assert said in str(caught.value)
    assert not caught.value.retryable


def test_an_unknown_agent_or_playbook_is_named() -> None:
    provider = PlaybookProvider.from_text(document({"say": "x"}))
    with pytest.raises(PlaybookFailed, match=r"no rules for the agent 'b'.*rules for a"):
        asyncio.run(
            provider.generate(ModelRequest((Message.user("x"),), metadata=RequestMetadata(agent="b")))
        )
    with pytest.raises(PlaybookFailed, match="playbook/other"):
        asyncio.run(provider.generate(ModelRequest((Message.user("x"),), model="playbook/other")))


def test_a_pattern_that_runs_away_is_stopped() -> None:
    source = document(
        {"say": "x"}, extract={"from": "${input}", "fields": {"f": {"patterns": [r"(\w+\s*)+[!?]$"]}}}
    )
    began = time.perf_counter()
    with pytest.raises(PlaybookFailed, match="did not finish"):
        ask(source, value="word " * 3000 + "!x ?x")
    assert time.perf_counter() - began < 1.0


def test_a_document_with_deep_nesting_is_refused() -> None:
    value: Any = {"$round": {"number": 1}}
    for _ in range(30):
        value = {"deeper": value}
    with pytest.raises(PlaybookInvalid, match="nested deeper"):
        load_playbook(document({"answer": value}))


def test_files_are_read_and_named_in_errors(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text(document({"say": "x"}))
    bad.write_text("kind: Nothing")
    assert PlaybookProvider.from_files(good).model == "playbook/test"
    with pytest.raises(PlaybookInvalid, match=r"bad\.yaml"):
        PlaybookProvider.from_files(bad)
    with pytest.raises(PlaybookInvalid, match="cannot read"):
        PlaybookProvider.from_files(tmp_path / "none.yaml")


def test_a_route_takes_its_playbooks_along(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(document({"say": "x"}))
    other = {"provider": "anthropic", "model": "m"}
    spec = {
        "tiers": [{"name": "t", "providers": [other, {"provider": "playbook", "playbook": "rules.yaml"}]}]
    }
    taken = inline_playbooks(spec, tmp_path)
    assert taken["tiers"][0]["providers"][0] == other
    assert load_playbook(taken["tiers"][0]["providers"][1]["playbook"]).name == "test"
    assert inline_playbooks(taken, tmp_path) == taken
    (tmp_path / "rules.yaml").write_text("kind: Nothing")
    with pytest.raises(PlaybookInvalid, match=r"spec\.tiers\[0\]\.providers\[1\]\.playbook: "):
        inline_playbooks(spec, tmp_path)


def test_a_turn_with_ten_rules_takes_less_than_two_milliseconds() -> None:
    rules = [
        {
            "when": f"extracted.number == 'INV-{number}' && size(tools.find) == {number}",
            "call": [{"tool": "find", "arguments": {"q": "${extracted.number}"}}],
        }
        for number in range(9)
    ]
    fields = {
        "number": {"patterns": [r"number:\s*(\S+)"]},
        "total": {"type": "number", "patterns": [r"gesamt:\s*([\d.,]+)", r"total:\s*([\d.,]+)"]},
        "due": {"type": "date", "formats": ["%d.%m.%Y"], "patterns": [r"due:\s*(\S+)"]},
    }
    source = document(*rules, {"answer": "${extracted}"}, extract={"from": "${input.text}", "fields": fields})
    provider = PlaybookProvider.from_text(source)
    text = (
        "number: INV-99\n"
        + "a line of an invoice with some words 12,50\n" * 60
        + "total: 1.250,00\ndue: 31.01.2025"
    )
    request = ModelRequest(
        (Message.user("Begin"),),
        tools=(ToolSpec("find", "", {"type": "object"}),),
        output_schema={},
        metadata=RequestMetadata(agent="a", input={"text": text}),
    )

    async def once() -> float:
        began = time.perf_counter()
        response = await provider.generate(request)
        assert json.loads(response.message.text) == {"number": "INV-99", "total": 1250.0, "due": "2025-01-31"}
        return time.perf_counter() - began

    # The best of many: a busy machine must not decide this.
    assert min(asyncio.run(once()) for _ in range(30)) < 0.002


def test_the_same_content_is_compiled_once() -> None:
    source = document({"say": "compiled once"})
    assert load_playbook(source) is load_playbook(source)
