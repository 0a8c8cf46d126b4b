"""A gateway: as it is, or with nobody at the door. `python -m security.door as-it-is|open`."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from quarterdeck.cli.logfile import log_to_stream
from quarterdeck.common.identity import Principal
from quarterdeck.common.service import open_platform
from quarterdeck.common.settings import PlatformSettings
from quarterdeck.gateway import main as gateway
from quarterdeck.gateway.authentication import Authenticator
from quarterdeck.gateway.config import GatewaySettings
from security.children import until_told

ANYBODY = Principal("account:bench")
# High enough that nobody is refused: what is measured is the counting.
MANY = 1_000_000


class NobodyAsks(Authenticator):
    """Takes every visitor for the same one."""

    async def authenticate(self, authorization: str) -> Principal:
        """Looks at nothing."""
        return ANYBODY


class NobodyMinds:
    """Allows everything."""

    def __init__(self, _roster: Any) -> None:
        pass

    async def authorize(self, *_question: object) -> None:
        """Asks nobody."""


async def serve(*, is_open: bool) -> None:
    """Serves until it is told to stop."""
    log_to_stream("warning", "json")
    settings = PlatformSettings()
    limits = {"requests_per_minute": MANY, "tenant_requests_per_minute": MANY}
    if is_open:
        gateway.Authenticator = NobodyAsks  # type: ignore[misc]
        gateway.RoleAuthorizer = NobodyMinds  # type: ignore[misc,assignment]
        limits = dict.fromkeys(limits, 0)
        # The other gateway answers the services; this one has an address of its own.
        settings = settings.model_copy(update={"listen": f"unix:{settings.sockets_dir() / 'open.sock'}"})
    made = GatewaySettings(http_port=0, grpc_port=0, access_log="none", **limits)
    service = await gateway.build(open_platform("gateway", settings), settings=made)
    await service.start()
    print(f"ready {service.http_port}", flush=True)
    await until_told()
    await service.stop(1)


if __name__ == "__main__":
    asyncio.run(serve(is_open=sys.argv[1] == "open"))
