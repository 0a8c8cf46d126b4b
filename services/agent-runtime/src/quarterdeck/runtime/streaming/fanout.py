"""Events between processes: any of them can stream any run, whoever advances it.

A process that streams a run says so to all (`runs.listening`), and again every few seconds. Whoever commits
something of it sends that to the queue of the process (`runs.events.<name>`): one queue a process, not one a
run, and no message at all of runs that nobody streams. Every message may be lost; see `sweeping`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

import structlog

from quarterdeck.common.bus import Bus, Message
from quarterdeck.common.bus.interface import Subscription
from quarterdeck.common.errors import Unavailable
from quarterdeck.runtime.constants import TOPIC_EVENTS, TOPIC_LISTENING
from quarterdeck.runtime.instruments import Instruments
from quarterdeck.runtime.streaming.interest import LASTS, Interest
from quarterdeck.runtime.streaming.live import Live, LiveEvents, Nobody
from quarterdeck.runtime.streaming.outbox import Outbox, Parcel

# Seconds after which a process says again what it streams.
RENEWAL = LASTS / 3
RUNS_A_MESSAGE = 1000

log = structlog.get_logger("streaming")


class Fanout:
    """This process among those that stream runs. See `live.Elsewhere`.

    Args:
        me: a name that no other process has.
        now: seconds of a clock that only goes forward.
    """

    def __init__(
        self,
        bus: Bus,
        me: str,
        live: LiveEvents,
        instruments: Instruments,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._bus = bus
        self._me = me
        self._live = live
        self._instruments = instruments
        self._now = now
        self._interest = Interest()
        self._outbox = Outbox()
        self._fresh: set[str] = set()
        self._to_say, self._to_send = asyncio.Event(), asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._subscriptions: list[Subscription] = []

    async def start(self) -> None:
        """Begins to hear and to tell."""
        self._subscriptions = [
            await self._bus.subscribe(TOPIC_LISTENING, self._on_listening),
            await self._bus.subscribe(f"{TOPIC_EVENTS}.{self._me}", self._on_events),
        ]
        self._tasks = [
            asyncio.create_task(self._say(), name="fanout-say"),
            asyncio.create_task(self._send(), name="fanout-send"),
        ]
        self._live.elsewhere = self

    async def stop(self) -> None:
        """Neither hears nor tells any more."""
        self._live.elsewhere = Nobody()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for subscription in self._subscriptions:
            await subscription.close()

    # -- what live events ask ----------------------------------------------------------------------

    def listening(self, run_id: str) -> None:
        """See `Elsewhere`."""
        self._fresh.add(run_id)
        self._to_say.set()

    def is_wanted(self, run_id: str) -> bool:
        """See `Elsewhere`."""
        return run_id in self._interest

    def tell(self, tenant_id: str, run_id: str, events: Sequence[Live]) -> None:
        """See `Elsewhere`."""
        for name in self._interest.who(run_id, self._now()):
            dropped = self._outbox.put(name, tenant_id, run_id, events)
            self._instruments.live_dropped.inc(dropped)
            self._to_send.set()

    # -- saying what is streamed here ----------------------------------------------------------------

    async def _say(self) -> None:
        renewal = self._now() + RENEWAL
        while True:
            await _set_within(self._to_say, renewal - self._now())
            self._to_say.clear()
            runs, self._fresh = self._fresh, set()
            if self._now() >= renewal:
                runs, renewal = set(self._live.run_ids()), self._now() + RENEWAL
                self._interest.tidy(self._now())
            await self._announce(sorted(runs))

    async def _announce(self, runs: Sequence[str]) -> None:
        for start in range(0, len(runs), RUNS_A_MESSAGE):
            page = runs[start : start + RUNS_A_MESSAGE]
            await self._published(Message(TOPIC_LISTENING, "", {"by": self._me, "runs": page}))

    async def _on_listening(self, message: Message) -> None:
        if message.data["by"] != self._me:
            self._interest.want(message.data["by"], message.data["runs"], self._now())

    # -- events ------------------------------------------------------------------------------------

    async def _send(self) -> None:
        while True:
            await self._to_send.wait()
            self._to_send.clear()
            while (parcel := self._outbox.take()) is not None:
                if await self._published(_message(parcel)) is False:
                    # There is no such queue any more. If it comes back, its process says so.
                    self._interest.forget(parcel.to)
                self._instruments.live_sent.inc(len(parcel.events))

    async def _on_events(self, message: Message) -> None:
        for run_id, seq, type_, data, at in message.data["events"]:
            self._live.hear(run_id, [Live(seq, type_, data.encode(), at)])
            self._instruments.live_heard.inc()

    async def _published(self, message: Message) -> bool | None:
        """Returns whether anybody has a queue for it; None while the bus takes nothing."""
        try:
            return await self._bus.publish(message)
        except Unavailable as error:
            log.debug("fanout.not_sent", topic=message.topic, reason=error.message)
            return None


def _message(parcel: Parcel) -> Message:
    events = [[run, live.seq, live.type, live.data.decode(), live.at] for run, live in parcel.events]
    return Message(f"{TOPIC_EVENTS}.{parcel.to}", parcel.tenant_id, {"events": events})


async def _set_within(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(max(0.0, seconds)):
            await event.wait()
    except TimeoutError:
        return
