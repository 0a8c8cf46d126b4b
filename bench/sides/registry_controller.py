"""The registry's controller as a process: `python registry_controller.py`; settings as in a cluster."""

from __future__ import annotations

import asyncio
import signal

import structlog
import uvloop

from quarterdeck.common.service import open_platform
from quarterdeck.common.settings import PlatformSettings
from quarterdeck.registry import control

GRACE = 5.0


async def serve() -> None:
    """Runs it until SIGTERM."""
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    platform = open_platform("registry", PlatformSettings())
    controller = await control.build(platform)
    await controller.start()
    await ended.wait()
    await controller.stop(GRACE)
    await platform.close()


if __name__ == "__main__":
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(30))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve())
