"""Calling a handler, the same way in every adapter."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import structlog

from quarterdeck.common.bus.delivery import HAND_OFF_SECONDS
from quarterdeck.common.bus.instruments import BusInstruments
from quarterdeck.common.bus.interface import Handler
from quarterdeck.common.bus.message import Message, label
from quarterdeck.common.constants import TRACE_HEADER
from quarterdeck.common.tracing import beneath, current_traceparent, place_of

log = structlog.get_logger("bus")


async def handle(handler: Handler, message: Message, instruments: BusInstruments) -> bool:
    """Says whether the handler took the message over. Its failure is logged.

    It works in the trace of the sender.
    """
    with beneath(place_of(message.headers.get(TRACE_HEADER, ""))):
        return await _handled(handler, message, instruments)


def traced(message: Message) -> Message:
    """Returns a message that names the sender's trace, if it has one and the message names none."""
    trace = current_traceparent()
    if not trace or TRACE_HEADER in message.headers:
        return message
    return replace(message, headers={**message.headers, TRACE_HEADER: trace})


async def _handled(handler: Handler, message: Message, instruments: BusInstruments) -> bool:
    try:
        async with asyncio.timeout(HAND_OFF_SECONDS):
            await handler(message)
    except Exception as error:
        log.error(
            "bus.handler_failed",
            topic=message.topic,
            tenant_id=message.tenant_id,
            reason=str(error) or type(error).__name__,
            exc_info=True,
        )
        instruments.handled.labels(label(message.topic), "failed").inc()
        return False
    instruments.handled.labels(label(message.topic), "done").inc()
    return True
