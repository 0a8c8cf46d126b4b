"""One service with its management port, until a signal says stop."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from quarterdeck.cli.gateway_address import addresses
from quarterdeck.cli.management_server import ManagedService
from quarterdeck.cli.output import note
from quarterdeck.cli.persistent import Persistent
from quarterdeck.cli.platform import build_service
from quarterdeck.cli.process import serve_until_stopped
from quarterdeck.cli.processes import listed, this_process
from quarterdeck.cli.uptime import say_draining
from quarterdeck.common.service import open_platform
from quarterdeck.common.settings import PlatformSettings


async def serve_one(name: str, settings: PlatformSettings, announce: Callable[[str, str], None]) -> None:
    """Builds and serves `name` with a management port; the gateway also announces (url, grpc address)."""

    def make() -> ManagedService:
        platform = open_platform(name, settings)
        platform.patient = True
        return ManagedService(platform, build_service, settings.management_host, settings.management_port)

    persistent = Persistent(make, settings.database_for(name))
    listing = contextlib.ExitStack()

    def ready() -> None:
        managed = persistent.managed
        mine = this_process(name, settings.management_host, managed.port)
        listing.enter_context(listed(settings.data_dir.absolute(), mine))
        managed.platform.spawn(managed.platform.telemetry.watch_loop(), "loop-lag")
        where = addresses(managed.service) if name == "gateway" else (settings.listen_address(name),)
        note(f"{name} serves {' and '.join(where)}")
        note(f"  health and metrics: {mine.health}")
        if name == "gateway":
            announce(*where)

    with listing:
        await serve_until_stopped(persistent, ready, say_draining, settings.drain_timeout)
