"""The process that answers the proxy: it follows the pods of tool servers and reads questions from stdin."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import structlog

from quarterdeck.common.telemetry import log_processors
from quarterdeck.controller.api.client import Client, Scope
from quarterdeck.controller.api.connection import connect
from quarterdeck.controller.api.resource import Resource
from quarterdeck.controller.api.transport import Transport
from quarterdeck.controller.caching.informer import Informer
from quarterdeck.mcp.egress.questions import answer
from quarterdeck.mcp.egress.rules import addresses_of
from quarterdeck.mcp.pods.names import SERVER

_PODS = Resource("", "v1", "pods", "Pod")
_ADDRESS = "address"


def following(client: Client, log: Any) -> Informer:
    """Returns the informer of tool pods in all namespaces, by their addresses."""
    scope = Scope(label_selector=SERVER)
    return Informer(client, _PODS, log=log, scope=scope, indexes={_ADDRESS: addresses_of})


async def respond(pods: Informer, questions: asyncio.StreamReader) -> None:
    """Answers on stdout until no more questions come. The API server may be away: the pods stay known."""
    await pods.wait_synced()
    while line := await questions.readline():
        told = answer(line.decode(), lambda address: pods.cache.find(_ADDRESS, address))
        sys.stdout.write(told + "\n")
        sys.stdout.flush()


async def run() -> None:
    """Serves until stdin ends. What there is to say goes to stderr: stdout is the proxy's.

    Raises:
        NoCluster: there is no cluster to be found.
    """
    rendered = [*log_processors(), structlog.processors.JSONRenderer()]
    structlog.configure(processors=rendered, logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    client = Client(Transport(await connect(), user_agent="quarterdeck-egress"))
    pods = following(client, structlog.get_logger("egress"))
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    watching = asyncio.create_task(pods.run(), name="follow-pods")
    try:
        await respond(pods, reader)
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        await client.close()
