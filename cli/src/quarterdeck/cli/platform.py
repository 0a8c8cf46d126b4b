"""The embedded platform: the one place that composes services.

Five services in one process on one data directory. Each has its own `Platform` (bus, cache,
identity, telemetry, database); they talk by gRPC over unix sockets, as five processes would.
"""

from __future__ import annotations

import contextlib
import importlib
from dataclasses import dataclass, field
from typing import Any

from quarterdeck.cli.startup_errors import explain_start
from quarterdeck.common.management import watch_health
from quarterdeck.common.service import Platform, Service, open_platform
from quarterdeck.common.settings import PlatformSettings

# Who is asked by others comes first; the door opens last and closes first.
MODULES = {
    "registry": "quarterdeck.registry.main",
    "memory": "quarterdeck.memory.main",
    "mcp-manager": "quarterdeck.mcp.main",
    "agent-runtime": "quarterdeck.runtime.main",
    "gateway": "quarterdeck.gateway.main",
}
STOP_MARGIN = 5.0


async def build_service(
    platform: Platform, others: list[Platform] | None = None, module_name: str = ""
) -> Service:
    """Builds the service a platform is named after; the gateway is shown the `others` of its process.

    Args:
        module_name: of another program of that service, as its controller.
    """
    module: Any = importlib.import_module(module_name or MODULES[platform.name])
    if platform.name == "gateway":
        service: Service = await module.build(platform, others=others or [])
    else:
        service = await module.build(platform)
    return service


@dataclass(slots=True)
class EmbeddedPlatform:
    """All services of a data directory; `start` and `stop` like one service."""

    settings: PlatformSettings
    platforms: dict[str, Platform] = field(default_factory=dict)
    built: dict[str, Service] = field(default_factory=dict)
    services: dict[str, Service] = field(default_factory=dict)

    async def start(self) -> None:
        """Opens and builds all services, then starts them in order.

        Nothing runs before all are built, so a port in use or a damaged database is told before
        any work is taken up. What was started is stopped when one fails. Raises CliError.
        """
        try:
            for name in MODULES:
                self.platforms[name] = open_platform(name, self.settings)
            for name in MODULES:
                await self._build(name)
            for name, service in self.built.items():
                self.services[name] = service
                await service.start()
            for platform in self.platforms.values():
                platform.spawn(platform.telemetry.watch_loop(), "loop-lag")
                platform.spawn(watch_health(platform), "health")
        except BaseException as error:
            await self.stop(0)
            if isinstance(error, Exception):
                raise explain_start(error, self.settings.data_dir.absolute()) from error
            raise

    async def _build(self, name: str) -> None:
        platform = self.platforms[name]
        others = [known for known in self.platforms.values() if known is not platform]
        self.built[name] = await build_service(platform, others)

    async def stop(self, grace: float) -> None:
        """Stops the services in reverse order and closes their parts; a failure of one holds up no other."""
        while self.services:
            name, service = self.services.popitem()
            with self._logged(name):
                await service.stop(grace)
        while self.platforms:
            name, platform = self.platforms.popitem()
            with self._logged(name):
                await platform.close()

    @contextlib.contextmanager
    def _logged(self, name: str) -> Any:
        try:
            yield
        except Exception:
            import structlog

            structlog.get_logger("platform").exception("stop.failed", service=name)
