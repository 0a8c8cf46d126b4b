"""Whoever reads a stream must still be allowed to: asked again from time to time while it is open."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType

from quarterdeck.common.errors import PermissionDenied, QuarterdeckError, Unauthenticated

ENDED = "AccessEnded"


class Standing:
    """Ends a call once its reader may no longer read. Used around the loop that reads from the call.

    Args:
        check: raises PermissionDenied or Unauthenticated when the reader may not. Another error says
            nothing about the reader; the question is asked again the next time.
        end: ends the call, so that reading from it is cancelled.
        period: seconds between two questions.
    """

    def __init__(
        self, check: Callable[[], Awaitable[None]], end: Callable[[], object], period: float
    ) -> None:
        self._check = check
        self._end = end
        self._period = period
        self._lost: QuarterdeckError | None = None

    async def __aenter__(self) -> None:
        self._task = asyncio.create_task(self._watch(), name="standing")

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Raises PermissionDenied in place of the cancellation that it caused itself."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        if self._lost is not None and isinstance(error, asyncio.CancelledError):
            raise PermissionDenied(
                f"the stream ends, since its reader may not read it any more: {self._lost.message}",
                hint=self._lost.hint,
                reason=ENDED,
            ) from None

    async def _watch(self) -> None:
        while self._lost is None:
            await asyncio.sleep(self._period)
            try:
                await self._check()
            except (PermissionDenied, Unauthenticated) as error:
                self._lost = error
            except QuarterdeckError:
                continue
        self._end()
