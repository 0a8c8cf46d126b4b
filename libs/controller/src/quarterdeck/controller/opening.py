"""What a service opens first: a client of the cluster that it is in, and its place among its replicas."""

from __future__ import annotations

import socket
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

from prometheus_client import CollectorRegistry

from quarterdeck.controller.api.client import Client
from quarterdeck.controller.api.connection import connect
from quarterdeck.controller.api.transport import Transport
from quarterdeck.controller.leading.leader import Leader
from quarterdeck.controller.metrics import ClientMetrics, LeaderMetrics
from quarterdeck.controller.objects import ObjectKey

Closing = list[Callable[[], Awaitable[None]]]
"""What is to be called in the end; whoever opens something puts its closing here."""


async def open_client(user_agent: str, closing: Closing, metrics: ClientMetrics | None = None) -> Client:
    """Connects with this process's account.

    Raises:
        NoCluster: there is no cluster to be found.
    """
    client = Client(Transport(await connect(), user_agent=user_agent, metrics=metrics))
    closing.append(client.close)
    return client


async def open_leader(
    user_agent: str, lease: ObjectKey, closing: Closing, *, registry: CollectorRegistry, log: Any
) -> tuple[Client, Leader]:
    """Returns a client, and who says whether this replica leads, by a client that no other traffic delays.

    Args:
        registry: for the instruments of both, so it can be done once for it.

    Raises:
        NoCluster: there is no cluster to be found.
    """
    metrics = ClientMetrics(registry)
    client = await open_client(user_agent, closing, metrics)
    leases = await open_client(user_agent, closing, metrics)
    identity = f"{socket.gethostname()}-{uuid.uuid4()}"
    return client, Leader(leases, lease, identity, log=log, metrics=LeaderMetrics(registry))
