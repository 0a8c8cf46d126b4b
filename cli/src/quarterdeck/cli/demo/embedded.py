"""The platform and the demo in one process: services on the event loop, the demo in a thread beside it."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from pathlib import Path

from quarterdeck.cli.constants import EXIT_INTERRUPTED
from quarterdeck.cli.contexts import Connection
from quarterdeck.cli.datadir import read_admin_token
from quarterdeck.cli.errors import CliError
from quarterdeck.cli.gateway_address import addresses
from quarterdeck.cli.platform import EmbeddedPlatform
from quarterdeck.cli.process import Signals, first_of
from quarterdeck.common.garbage import keep_for_good
from quarterdeck.common.settings import PlatformSettings

# What is under way after the result has been told is not worth waiting for: it goes on at the next start.
GRACE = 5.0

Announce = Callable[[str, str], None]
Client = Callable[[Connection], None]


async def run_beside(settings: PlatformSettings, client: Client, announce: Announce, tenant: str) -> None:
    """Starts the platform, runs `client` against it, stops the platform. Raises what `client` raises.

    A signal ends it early; the run goes on at the next start.
    """
    platform, signals = EmbeddedPlatform(settings), Signals()
    try:
        if await first_of(platform.start(), signals.asked.wait()):
            keep_for_good()
            url, grpc = addresses(platform.services["gateway"])
            announce(url, grpc)
            connection = Connection(url, _token(settings.data_dir.absolute()), tenant)
            if await first_of(in_thread(lambda: client(connection)), signals.asked.wait()):
                return
        raise CliError("interrupted; type the same again to go on", code=EXIT_INTERRUPTED)
    finally:
        await first_of(platform.stop(GRACE), signals.insisted.wait())
        signals.close()


def _token(data_dir: Path) -> str:
    return read_admin_token(data_dir)


async def in_thread(work: Callable[[], None]) -> None:
    """Runs blocking work in a daemon thread: one that hangs does not keep the process from ending."""
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[None] = loop.create_future()

    def settle(error: BaseException | None) -> None:
        if ended.done():
            return
        if error is None:
            ended.set_result(None)
        else:
            ended.set_exception(error)

    def run() -> None:
        error: BaseException | None = None
        try:
            work()
        except BaseException as caught:  # it belongs to whoever waits for this thread
            error = caught
        with contextlib.suppress(RuntimeError):  # the loop ended first: nobody waits
            loop.call_soon_threadsafe(settle, error)

    threading.Thread(target=run, name="demo", daemon=True).start()
    await ended
