"""The registry's own access to the API server."""

from __future__ import annotations

from quarterdeck.common.service import Platform
from quarterdeck.controller.api.client import Client
from quarterdeck.controller.api.connection import connect
from quarterdeck.controller.api.transport import Transport


async def open_client(platform: Platform) -> Client:
    """Connects with this process's account; closed with the platform.

    Raises:
        kubernetes.config.ConfigException: there is no cluster to be found.
    """
    client = Client(Transport(await connect(), user_agent=f"quarterdeck-{platform.name}"))
    platform.closing.append(client.close)
    return client
