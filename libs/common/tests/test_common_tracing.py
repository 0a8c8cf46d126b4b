"""Traces go with the work, and every log line names its own; nothing of a secret reaches a log."""

import asyncio

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from quarterdeck.common.bus import InProcessBus, Message
from quarterdeck.common.telemetry import Telemetry
from quarterdeck.common.tracing import (
    beneath,
    current_traceparent,
    id_generator,
    place_of,
    span_at,
    trace_ids,
)

GIVEN = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_without_a_recorder_a_trace_begins_and_goes_on():
    telemetry = Telemetry("test")
    assert current_traceparent() == ""
    with telemetry.span("outer"):
        first = current_traceparent()
        with telemetry.span("inner"):
            assert current_traceparent() == first
    with telemetry.span("another"):
        assert current_traceparent().split("-")[1] != first.split("-")[1]
    with telemetry.span("theirs", GIVEN):
        assert current_traceparent() == GIVEN
    assert current_traceparent() == "" and len(first) == len(GIVEN)


@pytest.mark.parametrize("text", ["", "nonsense", "00-0-0-01", f"00-{'0' * 32}-{'0' * 16}-01"])
def test_what_is_no_trace_is_none(text):
    assert place_of(text) is None
    with beneath(place_of(text)):
        assert current_traceparent() == ""


def test_a_line_names_its_trace_and_span():
    assert trace_ids(None, "info", {"event": "x"}) == {"event": "x"}
    with beneath(place_of(GIVEN)):
        line = trace_ids(None, "info", {"event": "x"})
    assert line == {
        "event": "x",
        "trace_id": "0af7651916cd43dd8448eb211c80319c",
        "span_id": "b7ad6b7169203331",
    }


def test_a_span_that_is_over_is_recorded_under_its_own_ids():
    exporter, provider = InMemorySpanExporter(), TracerProvider(id_generator=id_generator())
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    telemetry = Telemetry("test")
    telemetry.use_tracer(provider.get_tracer("test"))
    root, child = span_at(7, 8), span_at(7, 9)
    with telemetry.span("what is current does not matter"):
        telemetry.record("child", child, root, (100.0, 101.5), {"a": "b"})
        telemetry.record("root", root, None, (99.0, 102.0), {})
    first, second, _ = exporter.get_finished_spans()
    assert (first.context.trace_id, first.context.span_id, first.parent.span_id) == (7, 9, 8)
    assert (first.start_time, first.end_time) == (100 * 10**9, 1015 * 10**8)
    assert first.attributes == {"a": "b"}
    assert (second.context.trace_id, second.context.span_id, second.parent) == (7, 8, None)


async def test_a_message_takes_the_senders_trace_along():
    bus, seen = InProcessBus(), asyncio.Queue()

    async def handler(message):
        await seen.put((current_traceparent(), message.headers.get("traceparent")))

    await bus.subscribe("topic", handler)
    with beneath(place_of(GIVEN)):
        await bus.publish(Message("topic", "t", {}))
    assert await asyncio.wait_for(seen.get(), 5) == (GIVEN, GIVEN)
    await bus.publish(Message("topic", "t", {}))
    assert await asyncio.wait_for(seen.get(), 5) == ("", None)
    await bus.close()
