"""Logs, metrics and traces of one service.

Nothing here is global but the log's output format: two services in one process have two
metric registries and two tracers.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Iterator, Mapping, MutableMapping
from typing import TYPE_CHECKING, Any

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from quarterdeck.common.constants import LOOP_LAG_LIMIT
from quarterdeck.common.tracing import context_of, given_ids, id_generator, id_tracer, trace_ids

if TYPE_CHECKING:
    from opentelemetry.trace import Span, SpanContext, Tracer

# Keys whose values never reach a log, whatever they hold.
_SECRET_KEY = re.compile(
    r"token|secret|password|passwd|authorization|api[_-]?key|credential|cookie", re.IGNORECASE
)
_SECRET_VALUE = re.compile(r"(?i)\b(bearer\s+)[\w.~+/=-]+|\b(sk-[a-z]*-?)[\w-]{8,}|\b(qd_)[\w-]{16,}")
_LAG_PERIOD = 0.05


def redact(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Structlog processor: blanks values under secret-like keys, and secret-like text anywhere."""
    for key, value in event.items():
        event[key] = _redacted(key, value)
    return event


def _redacted(key: str, value: Any) -> Any:
    if _SECRET_KEY.search(key) and not isinstance(value, int | float | bool):
        return "[redacted]"
    if isinstance(value, str):
        return _SECRET_VALUE.sub(lambda found: f"{found[1] or found[2] or found[3]}[redacted]", value)
    if isinstance(value, Mapping):
        return {str(name): _redacted(str(name), item) for name, item in value.items()}
    return value


def log_processors() -> list[Any]:
    """Returns what every line of a log goes through, ours and libraries', before it is rendered.

    It gets the names that are bound (tenant, run), its trace, level and time, and loses its secrets.
    """
    return [
        structlog.contextvars.merge_contextvars,
        trace_ids,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        redact,
    ]


class Telemetry:
    """The instruments of one service."""

    def __init__(self, service: str, otlp_endpoint: str = "") -> None:
        self.service = service
        self.registry = CollectorRegistry()
        self.log = structlog.get_logger(service).bind(service=service)
        self.rpcs = Counter(
            "grpc_server_handled_total", "RPCs served.", ["grpc_method", "grpc_code"], registry=self.registry
        )
        self.proofs_refused = Counter(
            "call_proofs_refused_total",
            "Calls between services whose proof of who calls, or for whom, was refused.",
            ["why"],
            registry=self.registry,
        )
        self.failing = Gauge(
            "health_check_failing",
            "1 while a part of the service fails its health check.",
            ["part"],
            registry=self.registry,
        )
        self.rpc_seconds = Histogram(
            "grpc_server_handling_seconds",
            "Time to serve an RPC.",
            ["grpc_method"],
            registry=self.registry,
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
        )
        self.loop_lag = Histogram(
            "event_loop_lag_seconds",
            "How much later than asked the event loop woke.",
            registry=self.registry,
            buckets=(0.001, 0.005, 0.01, 0.025, LOOP_LAG_LIMIT, 0.1, 0.25, 1),
        )
        self.loop_lag_max = Gauge(
            "event_loop_lag_max_seconds", "Largest lag since start.", registry=self.registry
        )
        self._otlp_endpoint = otlp_endpoint
        self._tracer: Tracer | None = None
        self._provider: Any = None

    @property
    def tracer(self) -> Tracer:
        """The service's tracer. Spans go to the OTLP endpoint if there is one, and nowhere else."""
        if self._tracer is None:
            self._tracer = self._make_tracer()
        return self._tracer

    def _make_tracer(self) -> Tracer:
        if not self._otlp_endpoint:
            return id_tracer()
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        self._provider = TracerProvider(
            resource=Resource.create({"service.name": f"quarterdeck-{self.service}"}),
            id_generator=id_generator(),
        )
        insecure = not self._otlp_endpoint.startswith("https")
        exporter = OTLPSpanExporter(endpoint=self._otlp_endpoint, insecure=insecure)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        tracer: Tracer = self._provider.get_tracer("quarterdeck")
        return tracer

    @contextlib.contextmanager
    def span(
        self, name: str, traceparent: str = "", **attributes: str | int | float | bool
    ) -> Iterator[Span]:
        """Runs a block in a span; `traceparent` (W3C) makes it a child of a remote one."""
        context = context_of(traceparent) if traceparent else None
        with self.tracer.start_as_current_span(name, context=context, attributes=attributes) as span:
            yield span

    def record(
        self,
        name: str,
        place: SpanContext,
        parent: SpanContext | None,
        times: tuple[float, float],
        attributes: Mapping[str, str],
    ) -> None:
        """Records a span that is over, under ids of its own; times in seconds since the epoch."""
        from opentelemetry.context import Context
        from opentelemetry.trace import NonRecordingSpan, set_span_in_context

        context = Context() if parent is None else set_span_in_context(NonRecordingSpan(parent), Context())
        began, ended = (int(moment * 1e9) for moment in times)
        with given_ids(place):
            span = self.tracer.start_span(name, context, attributes=attributes, start_time=began)
        span.end(ended)

    def use_tracer(self, tracer: Tracer) -> None:
        """Replaces the tracer; for tests and embedders that bring their own."""
        self._tracer = tracer

    async def watch_loop(self) -> None:
        """Measures the event loop's lag until cancelled."""
        loop = asyncio.get_running_loop()
        largest = 0.0
        while True:
            due = loop.time() + _LAG_PERIOD
            await asyncio.sleep(_LAG_PERIOD)
            lag = max(0.0, loop.time() - due)
            self.loop_lag.observe(lag)
            if lag > largest:
                largest = lag
                self.loop_lag_max.set(lag)

    def close(self) -> None:
        """Flushes spans."""
        if self._provider is not None:
            self._provider.shutdown()
