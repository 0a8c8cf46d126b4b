"""Signals: the first drains, the second insists."""

from __future__ import annotations

import asyncio
import gc
import os
import signal

import pytest

from quarterdeck.cli.constants import EXIT_INTERRUPTED
from quarterdeck.cli.demo.embedded import in_thread
from quarterdeck.cli.errors import CliError
from quarterdeck.cli.process import serve_until_stopped


class Fake:
    """A service that says what is done to it."""

    def __init__(self, start_takes: float = 0, stop_takes: float = 0) -> None:
        self.said: list[str] = []
        self._start, self._stop = start_takes, stop_takes

    async def start(self) -> None:
        self.said.append("start")
        await asyncio.sleep(self._start)

    async def stop(self, grace: float) -> None:
        self.said.append(f"stop {grace:g}")
        await asyncio.sleep(self._stop)
        self.said.append("stopped")


def interrupt_after(seconds: float, number: signal.Signals = signal.SIGTERM) -> None:
    asyncio.get_running_loop().call_later(seconds, os.kill, os.getpid(), number)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_drains(number: signal.Signals) -> None:
    service = Fake()
    interrupt_after(0.05, number)
    await serve_until_stopped(
        service, lambda: service.said.append("ready"), lambda: service.said.append("draining"), 7
    )
    assert service.said == ["start", "ready", "draining", "stop 7", "stopped"]


async def test_a_second_signal_ends_it_at_once() -> None:
    service = Fake(stop_takes=30)
    interrupt_after(0.05)
    interrupt_after(0.15)
    with pytest.raises(CliError) as caught:
        await serve_until_stopped(service, lambda: None, lambda: None, 30)
    assert caught.value.code == EXIT_INTERRUPTED
    assert service.said == ["start", "stop 30"]


async def test_a_signal_during_the_start_stops_it() -> None:
    service = Fake(start_takes=30)
    interrupt_after(0.05)
    await serve_until_stopped(service, lambda: service.said.append("ready"), lambda: None, 1)
    assert service.said == ["start", "stop 1", "stopped"]


async def test_a_thread_hands_its_error_to_who_waits() -> None:
    def fail() -> None:
        raise CliError("no")

    with pytest.raises(CliError, match="no"):
        await in_thread(fail)
    done: list[int] = []
    await in_thread(lambda: done.append(1))
    assert done == [1]


async def test_what_a_start_leaves_is_kept_out_of_collections_which_become_rare() -> None:
    gc.unfreeze()
    before = gc.get_threshold()
    gc.set_threshold(700)
    frozen: list[int] = []
    interrupt_after(0.05)
    try:
        await serve_until_stopped(Fake(), lambda: frozen.append(gc.get_freeze_count()), lambda: None, 1)
        assert gc.get_threshold()[0] > 700
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)
    assert frozen[0] > 1000
