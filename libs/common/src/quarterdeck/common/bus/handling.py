"""Calling a handler, the same way in every adapter."""

from __future__ import annotations

import asyncio

import structlog

from quarterdeck.common.bus.delivery import HAND_OFF_SECONDS
from quarterdeck.common.bus.instruments import BusInstruments
from quarterdeck.common.bus.interface import Handler
from quarterdeck.common.bus.message import Message, label

log = structlog.get_logger("bus")


async def handle(handler: Handler, message: Message, instruments: BusInstruments) -> bool:
    """Says whether the handler took the message over. Its failure is logged."""
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
