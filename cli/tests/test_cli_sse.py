"""The text format of event streams."""

from __future__ import annotations

from quarterdeck.cli.sse import ServerEvent, parse_events


def test_fields_comments_and_several_data_lines() -> None:
    lines = [
        "retry: 1000",
        "",
        ": heartbeat",
        "",
        "id: 7",
        "event: a",
        "data: {",
        "data: }",
        "",
        "data:x",
        "",
    ]
    assert list(parse_events(lines)) == [ServerEvent("7", "a", "{\n}"), ServerEvent("", "message", "x")]


def test_an_event_that_is_not_finished_is_not_shown() -> None:
    assert list(parse_events(["id: 1", "data: {}"])) == []
