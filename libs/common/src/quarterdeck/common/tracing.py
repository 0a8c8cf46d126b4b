"""Traces: ids that go with the work through HTTP, gRPC and the bus, whether or not anybody records spans.

Everything is W3C Trace Context. Without a recorder `IdTracer` still begins a trace where there is none,
so that every log line of one piece of work names the same `trace_id`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace.id_generator import IdGenerator
    from opentelemetry.trace import SpanContext, Tracer

_API = "opentelemetry.trace"
_given: ContextVar[SpanContext | None] = ContextVar("quarterdeck_given_ids", default=None)


def span_at(trace_id: int, span_id: int) -> SpanContext:
    """Returns the place of a span: its trace (128 bits) and its own id (64 bits), neither of them 0."""
    from opentelemetry.trace import SpanContext, TraceFlags

    # Sampled: nobody decided against it; whoever has no recorder records nothing anyway.
    return SpanContext(trace_id, span_id, is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED))


@contextmanager
def beneath(place: SpanContext | None) -> Iterator[None]:
    """Runs a block, and the tasks that it creates, beneath a span that somebody else records."""
    if place is None or not place.is_valid:
        yield
        return
    from opentelemetry.trace import NonRecordingSpan, use_span

    with use_span(NonRecordingSpan(place)):
        yield


def context_of(traceparent: str) -> Context:
    """Returns the context of a W3C traceparent; an empty one if it is none."""
    from opentelemetry.context import Context
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    return TraceContextTextMapPropagator().extract({"traceparent": traceparent}, Context())


def place_of(traceparent: str) -> SpanContext | None:
    """Returns the span that a W3C traceparent names, None if it is empty or none."""
    if not traceparent:
        return None
    from opentelemetry.trace import get_current_span

    found = get_current_span(context_of(traceparent)).get_span_context()
    return found if found.is_valid else None


def current_traceparent() -> str:
    """Returns the W3C traceparent of the current span, empty when there is no trace."""
    from opentelemetry.trace import get_current_span

    place = get_current_span().get_span_context()
    if not place.is_valid:
        return ""
    return f"00-{place.trace_id:032x}-{place.span_id:016x}-{int(place.trace_flags):02x}"


@contextmanager
def given_ids(place: SpanContext) -> Iterator[None]:
    """Gives the span that is begun in this block these ids, if its recorder has our `id_generator`."""
    token = _given.set(place)
    try:
        yield
    finally:
        _given.reset(token)


def id_generator() -> IdGenerator:
    """Returns a recorder's generator of ids: random ones, unless `given_ids` says which."""
    from opentelemetry.sdk.trace.id_generator import RandomIdGenerator

    class Generator(RandomIdGenerator):
        def generate_span_id(self) -> int:
            place = _given.get()
            return super().generate_span_id() if place is None else place.span_id

        def generate_trace_id(self) -> int:
            place = _given.get()
            return super().generate_trace_id() if place is None else place.trace_id

    return Generator()


def trace_ids(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Structlog processor: names the trace and the span that a line belongs to."""
    if _API not in sys.modules:  # nothing can have begun a trace; a cold start does not import it
        return event
    from opentelemetry.trace import get_current_span

    place = get_current_span().get_span_context()
    if place.is_valid:
        event.setdefault("trace_id", f"{place.trace_id:032x}")
        event.setdefault("span_id", f"{place.span_id:016x}")
    return event


def id_tracer() -> Tracer:
    """Returns a tracer that records nothing and goes on with the trace there is, or begins one."""
    from opentelemetry.trace import NonRecordingSpan, NoOpTracer, Span, get_current_span

    class IdTracer(NoOpTracer):
        def start_span(self, name: str, context: Context | None = None, *rest: Any, **more: Any) -> Span:
            place = get_current_span(context).get_span_context()
            if place.is_valid:
                return super().start_span(name, context, *rest, **more)
            noise = int.from_bytes(os.urandom(24), "big") | 1 << 64 | 1
            return NonRecordingSpan(span_at(noise >> 64, noise & 0xFFFFFFFFFFFFFFFF))

    return IdTracer()
