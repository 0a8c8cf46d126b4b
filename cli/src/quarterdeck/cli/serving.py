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
from quarterdeck.cli.programs import Program
from quarterdeck.cli.startup_errors import explain_start
from quarterdeck.cli.uptime import say_draining
from quarterdeck.common.errors import QuarterdeckError
from quarterdeck.common.service import Platform, Service, open_platform
from quarterdeck.common.settings import PlatformSettings


async def serve_one(
    program: Program, settings: PlatformSettings, announce: Callable[[str, str], None]
) -> None:
    """Builds and serves `program` with a management port; the gateway also announces (url, grpc address)."""

    async def build(platform: Platform) -> Service:
        return await build_service(platform, module_name=program.module)

    def make() -> ManagedService:
        try:
            platform = open_platform(program.service, settings, program=program.name)
        except QuarterdeckError as error:
            raise explain_start(error, settings.data_dir.absolute()) from None
        platform.patient = True
        return ManagedService(platform, build, settings.management_host, settings.management_port)

    persistent = Persistent(make, settings.database_for(program.service))
    listing = contextlib.ExitStack()

    def ready() -> None:
        managed = persistent.managed
        mine = this_process(program.name, settings.management_host, managed.port)
        listing.enter_context(listed(settings.data_dir.absolute(), mine))
        managed.platform.spawn(managed.platform.telemetry.watch_loop(), "loop-lag")
        where = _addresses(program, managed, settings)
        note(f"{program.name} serves {' and '.join(where) or 'the cluster'}")
        note(f"  health and metrics: {mine.health}")
        if program.name == "gateway":
            announce(*where)

    with listing:
        await serve_until_stopped(persistent, ready, say_draining, settings.drain_timeout)


def _addresses(program: Program, managed: ManagedService, settings: PlatformSettings) -> tuple[str, ...]:
    if program.name == "gateway":
        return addresses(managed.service)
    return (settings.listen_address(program.service),) if program.listens else ()
