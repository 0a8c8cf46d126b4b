"""Streams of a real platform resume by `Last-Event-ID`: nothing is missed, nothing comes twice."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from ag_ui.core import Event
from e2e_kit.client import Client, StreamEvent
from e2e_kit.commands import qd
from e2e_kit.morning import Morning
from e2e_kit.shapes import Shape
from e2e_kit.streams import read_in_pieces, type_of
from pydantic import TypeAdapter

HERE = Path(__file__).resolve().parent
COUNT_TO = 25
ENDS_OF_MESSAGE = ("TEXT_MESSAGE_START", "TEXT_MESSAGE_END")


@pytest.fixture
def counting(platform: Shape, client: Client) -> str:
    """A run that has just begun and goes on for about a second."""
    qd(platform.data_dir, "apply", "-f", HERE / "manifests" / "counting.yaml")
    wish = {"kind": "Workflow", "name": "counting", "input": {"limit": COUNT_TO}}
    return str(client.post("runs", wish)["id"])


def test_a_live_stream_that_is_cut_again_and_again_is_the_journal(client: Client, counting: str) -> None:
    seen = read_in_pieces(client, f"runs/{counting}/events", ["run.succeeded"], piece=7)

    assert [event.id for event in seen] == [str(number) for number in range(1, len(seen) + 1)]
    journal = client.items(f"runs/{counting}/events", limit=500)
    assert [event.data for event in seen] == journal
    assert len(journal) > 2 * COUNT_TO


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_a_stream_taken_up_later_gives_exactly_the_rest(
    client: Client, morning: Morning, share: float
) -> None:
    path = f"runs/{morning.run}/events"
    journal = client.items(path, limit=500)
    last = int(share * len(journal))

    found = list(client.stream(path, str(last) if last else "", until="waiting"))

    kept = [event.data for event in found if event.id]
    assert kept == journal[last : last + len(kept)]
    assert len(kept) >= len(journal) - last


def test_an_event_id_that_is_none_is_refused(client: Client, morning: Morning) -> None:
    headers = {"Accept": "text/event-stream", "Last-Event-ID": "yesterday"}
    answer = client.request("GET", f"runs/{morning.run}/events", headers=headers)
    assert answer.status_code == 400
    assert answer.json()["field"] == "Last-Event-ID"


def chat(morning: Morning, thread: str) -> dict[str, Any]:
    """A turn with the agent that reads an invoice, as an AG-UI client sends it."""
    invoice = next((morning.example.month / "invoices").iterdir()).name
    value = {
        "path": f"{morning.example.month.name}/invoices/{invoice}",
        "company": "Fietsatelier Noordkaai BV",
    }
    return {
        "threadId": thread,
        "runId": "turn-1",
        "messages": [{"id": "m1", "role": "user", "content": "Read this invoice."}],
        "tools": [],
        "context": [],
        "state": {},
        "forwardedProps": {"input": value},
    }


def protocol_events(events: list[StreamEvent]) -> list[Any]:
    """Checks events against the protocol's own models."""
    adapter: TypeAdapter[Any] = TypeAdapter(Event)
    return [adapter.validate_python(event.data) for event in events]


def told(events: list[StreamEvent]) -> tuple[list[Any], Counter[Any], str]:
    """What a client knows in the end: a message said live comes a little earlier than from the journal."""
    others = [event.data for event in events if not type_of(event).startswith("TEXT_MESSAGE")]
    ends = Counter((type_of(one), one.data["messageId"]) for one in events if type_of(one) in ENDS_OF_MESSAGE)
    return (
        others,
        ends,
        "".join(one.data["delta"] for one in events if type_of(one) == "TEXT_MESSAGE_CONTENT"),
    )


def test_a_chat_turn_speaks_ag_ui(client: Client, morning: Morning) -> None:
    wish = chat(morning, "books-1")
    events = list(client.stream("agents/invoice-extractor/ag-ui", body=wish))

    found = [event.type.value for event in protocol_events(events)]
    assert found[0] == "RUN_STARTED"
    assert found[-1] == "RUN_FINISHED"
    order = ["TOOL_CALL_START", "TOOL_CALL_END", "TOOL_CALL_RESULT", "TEXT_MESSAGE_START", "TEXT_MESSAGE_END"]
    assert [found.index(kind) for kind in order] == sorted(found.index(kind) for kind in order)
    assert events[-1].data["result"]["readable"] is True
    assert events[0].data["threadId"] == "books-1"


def test_a_chat_turn_that_lost_its_stream_goes_on_where_it_was(client: Client, morning: Morning) -> None:
    wish = chat(morning, "books-2")
    whole = [event for event in client.stream("agents/invoice-extractor/ag-ui", body=wish) if event.id]

    for position, event in enumerate(whole[:-1]):
        rest = [one for one in client.stream("agents/invoice-extractor/ag-ui", event.id, body=wish) if one.id]
        assert told(whole[: position + 1] + rest) == told(whole)


def test_a_run_is_watched_in_ag_ui_in_pieces(client: Client, counting: str) -> None:
    path = f"runs/{counting}/ag-ui"
    seen = read_in_pieces(client, path, ["RUN_FINISHED"], piece=5)

    protocol_events(seen)
    assert len({event.id for event in seen}) == len(seen)
    started = [event.data["stepName"] for event in seen if type_of(event) == "STEP_STARTED"]
    finished = [event.data["stepName"] for event in seen if type_of(event) == "STEP_FINISHED"]
    assert sorted(started) == sorted(finished)
    assert len(started) == len(set(started)) == 2 * COUNT_TO - 1
    assert [event.data for event in client.stream(path) if event.id] == [event.data for event in seen]
