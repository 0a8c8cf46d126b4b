"""A journal as text."""

from __future__ import annotations

from typing import Any

import pytest

from quarterdeck.cli.conversation import TurnPrinter
from quarterdeck.cli.errors import CliError
from quarterdeck.cli.follow import EventPrinter
from quarterdeck.cli.journal import error_text, event_line, summary
from quarterdeck.cli.platform_log import readable


@pytest.mark.parametrize(
    ("kind", "data", "text"),
    [
        (
            "effect.intent",
            {
                "kind": "tool",
                "target": {"server": "ledger", "tool": "book"},
                "arguments": {"a": 1},
                "attempt": 2,
            },
            'tool ledger/book (attempt 2) {"a": 1}',
        ),
        ("effect.outcome", {"effect": "e1", "status": "ok", "result": 5, "cost": 2000}, "e1 ok ($0.0020): 5"),
        (
            "effect.outcome",
            {"effect": "e1", "status": "error", "error": {"class": "tool", "message": "no"}},
            "e1 error: tool: no",
        ),
        ("step.completed", {"step": "fetch"}, "fetch"),
        ("children.progress", {"step": "each", "done": 7, "failed": 1}, "each: 7 done, 1 failed"),
        (
            "approval.decided",
            {"approval": "a1", "approved": False, "by": "eva", "comment": "no"},
            "a1 rejected by eva: no",
        ),
        ("run.failed", {"error": {"class": "budget", "message": "spent", "node": "n"}}, "budget at n: spent"),
        ("timer.set", {"purpose": "retry", "due": 0, "step": "s"}, "retry s due 1970-01-01T00:00:00+00:00"),
        ("something.new", {"x": [1]}, '{"x": [1]}'),
    ],
)
def test_an_event_says_what_matters(kind: str, data: dict[str, Any], text: str) -> None:
    assert summary(kind, data) == text


def test_a_line_has_time_sequence_and_type() -> None:
    line = event_line({"seq": 3, "type": "step.started", "at": "bad", "data": {"step": "a", "kind": "tool"}})
    assert line == "--:--:--      3  step.started          a (tool)"


def test_an_error_without_shape_is_shown_all_the_same() -> None:
    assert error_text(None) == "failed"
    assert error_text("boom") == "boom"


def test_words_of_a_model_come_as_they_are_and_end_before_the_next_event(
    capsys: pytest.CaptureFixture[str],
) -> None:
    printer = EventPrinter(live=True)
    for word in ("Hel", "lo"):
        printer.show({"seq": 0, "type": "model.delta", "data": {"text": word}})
    printer.show({"seq": 9, "type": "step.completed", "at": "", "data": {"step": "a"}})
    assert capsys.readouterr().out.splitlines() == ["Hello", "--:--:--      9  step.completed        a"]


def test_a_pipe_gets_no_live_events(capsys: pytest.CaptureFixture[str]) -> None:
    printer = EventPrinter(live=False)
    printer.show({"seq": 0, "type": "model.delta", "data": {"text": "x"}})
    printer.show({"seq": 0, "type": "tool.progress", "data": {"message": "x"}})
    assert capsys.readouterr().out == ""


def test_a_chat_turn_prints_text_and_tools_apart(capsys: pytest.CaptureFixture[str]) -> None:
    printer = TurnPrinter()
    for event in (
        {"type": "TOOL_CALL_START", "toolCallId": "c", "toolCallName": "search"},
        {"type": "TOOL_CALL_ARGS", "toolCallId": "c", "delta": '{"q":'},
        {"type": "TOOL_CALL_ARGS", "toolCallId": "c", "delta": "1}"},
        {"type": "TOOL_CALL_END", "toolCallId": "c"},
        {"type": "TEXT_MESSAGE_CONTENT", "delta": "Hi"},
        {"type": "TEXT_MESSAGE_END"},
        {"type": "RUN_FINISHED"},
    ):
        printer.show(event)
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("Hi\n", '  [search {"q":1}]\n')


def test_a_chat_turn_that_waits_for_a_person_says_how_to_answer(capsys: pytest.CaptureFixture[str]) -> None:
    asked = {"id": "a1", "reason": "approval:question", "message": "may I?"}
    TurnPrinter().show({"type": "RUN_FINISHED", "outcome": {"type": "interrupt", "interrupts": [asked]}})
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "may I?" in captured.err and "qd approvals show a1" in captured.err


def test_a_chat_turn_that_fails_is_an_error() -> None:
    with pytest.raises(CliError, match="no model"):
        TurnPrinter().show({"type": "RUN_ERROR", "message": "no model"})


def test_a_log_line_becomes_readable() -> None:
    line = '{"service": "registry", "level": "warning", "event": "slow", "ms": 5, "timestamp": "bad"}'
    assert readable(line) == "--:--:--  warning registry      slow  ms=5"
    assert readable("plain\n") == "plain"
