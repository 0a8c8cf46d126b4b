"""The sessions of one tool server: started when needed, shared or one a run, closed when idle.

`isolation: shared` keeps a single session for everybody. `isolation: session` gives each run its own server
process, so that nothing one run left in it is seen by another; it is closed when the run has not used it for
a while. Starts after a crash obey `supervisor.next_restart`.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from quarterdeck.mcp.constants import ISOLATED_IDLE, ISOLATED_SESSIONS, PING_TIMEOUT
from quarterdeck.mcp.failures import CallFailed, NotSent
from quarterdeck.mcp.session import Session
from quarterdeck.mcp.supervisor import HISTORY, Crash, Decision, RestartRule, next_restart

# Key of a shared server's only session, and of the one in which an isolated server's tools are listed.
SHARED, SPARE = "", "\0spare"
_REMOVED = "the tool server is being removed"


@dataclass(frozen=True, slots=True)
class PoolRule:
    """How sessions are kept.

    Args:
        shared: one session for everybody.
        concurrency: calls under way at a time, over all sessions.
        idle_timeout: seconds until an idle session is ended; 0: never.
        most: sessions that are kept; beyond it the one that is idle longest is ended.
    """

    shared: bool = False
    concurrency: int = 8
    idle_timeout: float = ISOLATED_IDLE
    most: int = ISOLATED_SESSIONS
    restart: RestartRule = field(default_factory=RestartRule)


class Pool:
    """The sessions of one server.

    Args:
        rule: how they are kept.
        make: makes a session, not started.
        on_start: awaited with every session that has started, before its first call.
        on_crash: told about every end that nobody asked for, and about starts that failed.
    """

    def __init__(
        self,
        rule: PoolRule,
        make: Callable[[], Session],
        on_start: Callable[[Session], Awaitable[None]],
        on_crash: Callable[[Crash], None] = lambda _: None,
    ) -> None:
        self._rule = rule
        self._make = make
        self._on_start = on_start
        self._on_crash = on_crash
        self._sessions: dict[str, Session] = {}
        self._starting: dict[str, asyncio.Task[Session]] = {}
        self._idle: dict[str, asyncio.TimerHandle] = {}
        self._users: dict[str, int] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._slots = asyncio.Semaphore(rule.concurrency)
        self._history: deque[Crash] = deque(maxlen=HISTORY)
        self._closed = False

    @property
    def sessions(self) -> list[Session]:
        """The sessions that take calls now."""
        return list(self._sessions.values())

    @property
    def busy(self) -> bool:
        """Whether somebody has a session, or waits for one."""
        return bool(self._users)

    @property
    def last_crash(self) -> Crash | None:
        """The last end that nobody asked for."""
        return self._history[-1] if self._history else None

    def decision(self) -> Decision:
        """Says what the crashes so far allow."""
        return next_restart(self._history, self._rule.restart, time.monotonic())

    @asynccontextmanager
    async def lease(self, key: str, timeout: float) -> AsyncIterator[Session]:
        """Gives the session of a run, started if need be. Raises NotSent when there is none in time.

        Args:
            key: the run, or whatever else may share a session; a shared server ignores it.
            timeout: seconds to wait for a free slot and a started server.
        """
        key = SHARED if self._rule.shared else key
        self._enter(key)
        try:
            await self._take_slot(timeout)
            try:
                yield await self._session(key, timeout)
            finally:
                self._slots.release()
        finally:
            self._leave(key)

    async def _take_slot(self, timeout: float) -> None:
        if not self._slots.locked():
            await self._slots.acquire()
            return
        try:
            async with asyncio.timeout(timeout):
                await self._slots.acquire()
        except TimeoutError:
            limit = self._rule.concurrency
            raise NotSent(f"{limit} calls, the server's limit, were under way for {timeout:g} s") from None

    async def _session(self, key: str, timeout: float) -> Session:
        session = self._sessions.get(key) or self._adopt_spare(key)
        if session is not None and session.usable:
            return session
        if key not in self._starting:
            starting = asyncio.create_task(self._start(key))
            starting.add_done_callback(_retrieve)
            self._starting[key] = starting
        starting = self._starting[key]
        done, _ = await asyncio.wait([starting], timeout=timeout)
        if not done:
            raise NotSent(f"the tool server did not start within {timeout:g} s")
        if starting.cancelled():
            raise NotSent(_REMOVED)
        return starting.result()

    def _adopt_spare(self, key: str) -> Session | None:
        """Takes the session in which only the tools were listed: it is as good as new."""
        if SPARE in self._users or SPARE not in self._sessions:
            return None
        self._cancel_idle(SPARE)
        self._sessions[key] = self._sessions.pop(SPARE)
        return self._sessions[key]

    async def _start(self, key: str) -> Session:
        try:
            await self._wait_for_turn()
            session = self._make()
            try:
                await session.start()
                await self._on_start(session)
            except CallFailed as error:
                self._note(session, str(error))
                await session.close()
                raise NotSent(str(error)) from error
            except asyncio.CancelledError:
                self._in_background(session.close())
                raise
            self._sessions[key] = session
            session.ended.add_done_callback(lambda ended: self._on_session_end(session, ended.result()))
            self._make_room()
            return session
        finally:
            self._starting.pop(key, None)

    async def _wait_for_turn(self) -> None:
        decision = self.decision()
        wait = max(decision.not_before - time.monotonic(), 0.0)
        if self._closed:
            raise NotSent(_REMOVED)
        if decision.crash_loop and wait:
            last = f"{decision.crashes} in a row, the last: {self._history[-1].reason}"
            raise NotSent(f"crash loop: {last}; the next start is in {wait:.0f} s")
        await asyncio.sleep(wait)

    def _make_room(self) -> None:
        """Ends the sessions that are idle longest when there are more than are kept."""
        for key in list(self._idle)[: max(len(self._sessions) - self._rule.most, 0)]:
            self._cancel_idle(key)
            self._end_idle(key)

    def _on_session_end(self, session: Session, reason: str) -> None:
        self._forget(session)
        if not session.asked_to_close:
            self._note(session, reason)

    def _note(self, session: Session, reason: str) -> None:
        now = time.monotonic()
        self._history.append(Crash(now, now - session.started_at, reason))
        self._on_crash(self._history[-1])

    def _forget(self, session: Session) -> None:
        for key, present in list(self._sessions.items()):
            if present is session:
                del self._sessions[key]

    def retire(self, session: Session) -> None:
        """Gives no new call to a session, and ends it as soon as no call is under way on it.

        After a call that never came back this is the only way to know that it can do nothing any more.
        """
        session.retired = True
        self._forget(session)
        self._in_background(_close_when_free(session))

    def suspect(self, session: Session) -> None:
        """Asks a session on which a call timed out whether it answers at all, and retires it if not."""
        self._in_background(self._ping(session))

    async def _ping(self, session: Session) -> None:
        if not await session.ping(PING_TIMEOUT):
            self.retire(session)

    def _enter(self, key: str) -> None:
        self._users[key] = self._users.get(key, 0) + 1
        self._cancel_idle(key)

    def _leave(self, key: str) -> None:
        self._users[key] -= 1
        if self._users[key]:
            return
        del self._users[key]
        if self._rule.idle_timeout and key in self._sessions and not self._closed:
            loop = asyncio.get_running_loop()
            self._idle[key] = loop.call_later(self._rule.idle_timeout, self._end_idle, key)

    def _end_idle(self, key: str) -> None:
        self._idle.pop(key, None)
        session = self._sessions.get(key)
        if session is not None and key not in self._users:
            self.retire(session)

    def _cancel_idle(self, key: str) -> None:
        timer = self._idle.pop(key, None)
        if timer is not None:
            timer.cancel()

    def _in_background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def close(self, grace: float = 0.0) -> None:
        """Ends every session; those with calls under way after `grace` seconds at the latest."""
        self._closed = True
        for key in list(self._idle):
            self._cancel_idle(key)
        starting = list(self._starting.values())
        for task in starting:
            task.cancel()
        await asyncio.gather(*starting, return_exceptions=True)
        await asyncio.gather(*(_close_when_free(session, grace) for session in self.sessions), *self._closing)


async def _close_when_free(session: Session, grace: float | None = None) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(grace):
            await session.free.wait()
    await session.close()


def _retrieve(task: asyncio.Task[Session]) -> None:
    """Marks a failed start as seen: everybody who waited for it may have given up."""
    if not task.cancelled():
        task.exception()
