"""The registry's own access to the API server."""

from __future__ import annotations

from quarterdeck.common.errors import FailedPrecondition
from quarterdeck.common.service import Platform
from quarterdeck.controller.api.client import Client
from quarterdeck.controller.api.connection import Connection, connect
from quarterdeck.controller.api.transport import Transport
from quarterdeck.controller.metrics import ClientMetrics


async def open_client(platform: Platform, metrics: ClientMetrics | None = None) -> Client:
    """Connects with this process's account; closed with the platform.

    Raises:
        FailedPrecondition: there is no cluster to be found.
    """
    agent = f"quarterdeck-{platform.telemetry.service}"
    client = Client(Transport(await _connection(), user_agent=agent, metrics=metrics))
    platform.closing.append(client.close)
    return client


async def _connection() -> Connection:
    from kubernetes.config import ConfigException

    try:
        return await connect()
    except ConfigException as error:
        raise FailedPrecondition(
            f"there is no cluster: {error}",
            hint="run it in a pod with a service account, or set KUBECONFIG",
        ) from None
