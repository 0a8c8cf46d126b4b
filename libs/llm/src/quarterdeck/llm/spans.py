"""Traces of model calls, by OpenTelemetry's conventions for generative AI. No content is recorded."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from quarterdeck.llm.errors import ModelError
from quarterdeck.llm.types import ModelRequest, ModelResponse

if TYPE_CHECKING:
    from opentelemetry.trace import Span, Tracer


@contextmanager
def model_call(tracer: Tracer | None, provider: str, request: ModelRequest) -> Iterator[Span | None]:
    """A client span around one attempt; an error ends it with the error's code."""
    if tracer is None:
        yield None
        return
    from opentelemetry.trace import SpanKind, Status, StatusCode

    with tracer.start_as_current_span(
        f"chat {request.model}", kind=SpanKind.CLIENT, record_exception=False, set_status_on_exception=False
    ) as span:
        span.set_attributes(_asked(provider, request))
        try:
            yield span
        except ModelError as error:
            span.set_attribute("error.type", error.code)
            span.set_status(Status(StatusCode.ERROR, error.code))
            raise


def record(span: Span | None, response: ModelResponse) -> None:
    """Put what was answered on the span."""
    if span is not None:
        usage = response.usage
        span.set_attributes(
            {
                "gen_ai.response.model": response.model,
                "gen_ai.response.finish_reasons": (response.stop_reason,),
                "gen_ai.usage.input_tokens": usage.total - usage.output_tokens,
                "gen_ai.usage.output_tokens": usage.output_tokens,
                "gen_ai.usage.cache_read.input_tokens": usage.cache_read_tokens,
                "gen_ai.usage.cache_creation.input_tokens": usage.cache_write_tokens,
            }
        )


def _asked(provider: str, request: ModelRequest) -> dict[str, str | int]:
    return {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": provider,
        "gen_ai.request.model": request.model,
        "gen_ai.request.max_tokens": request.max_tokens,
        "gen_ai.agent.name": request.metadata.agent,
        "quarterdeck.tenant": request.metadata.tenant,
        "quarterdeck.run.id": request.metadata.run_id,
    }
