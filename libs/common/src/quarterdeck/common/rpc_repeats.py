"""Which calls that broke off are made again by themselves: those that only read, and that nobody answered."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import cache
from typing import Any, TypeVar

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool

from quarterdeck.common.errors import Unavailable
from quarterdeck.common.rpc_errors import DETAILS_KEY, from_rpc_error

T = TypeVar("T")

# A replica that died takes its calls along; the next attempt goes to another one. Seconds before each.
PAUSES = (0.02, 0.1, 0.3)


async def repeating(attempt: Callable[[], Awaitable[T]], *, repeat: bool) -> T:
    """Makes an attempt, and if `repeat` another one after each that went unanswered, a few times.

    Raises AioRpcError: what became of the last.
    """
    pauses = iter(PAUSES if repeat else ())
    while True:
        try:
            return await attempt()
        except grpc.aio.AioRpcError as error:
            pause = next(pauses, None) if went_unanswered(error) else None
            if pause is None:
                raise
        await asyncio.sleep(pause)


def went_unanswered(error: grpc.aio.AioRpcError) -> bool:
    """Says whether the peer went away, as opposed to answering that something of its own is."""
    answered = any(key == DETAILS_KEY for key, _ in error.trailing_metadata() or ())
    return not answered and isinstance(from_rpc_error(error), Unavailable)


def only_reads(method: Any) -> bool:
    """Says whether a stub's method is declared to have no side effects."""
    return reads(method._method.decode())


@cache
def reads(path: str) -> bool:
    """Says whether an RPC is declared to have no side effects; a path is /package.Service/Method."""
    service, _, name = path.strip("/").rpartition("/")
    declared = descriptor_pool.Default().FindServiceByName(service).methods_by_name[name].GetOptions()
    level = descriptor_pb2.MethodOptions.NO_SIDE_EFFECTS
    return bool(declared.idempotency_level == level)
