"""Holds calls back until the policies are known: a call that came too early would be judged by none."""

from __future__ import annotations

from quarterdeck.common.errors import Unavailable
from quarterdeck.common.watching import ObjectWatcher

# With durable copies the registry need not be up to call tools; it gets this long to say what is new.
_COPIES_TIMEOUT = 2.0


class Readiness:
    """Opens once the registry's objects have been listed, or soon if they are known from an earlier life.

    Args:
        watcher: follows the objects.
        timeout: seconds that a call waits.
    """

    def __init__(self, watcher: ObjectWatcher, timeout: float) -> None:
        self._watcher = watcher
        self._timeout = timeout
        self._copies = False
        self._open = False

    def trust_copies(self) -> None:
        """Notes that there are durable copies of objects."""
        self._copies = True

    async def wait(self) -> None:
        """Waits until it is open. Raises Unavailable."""
        if self._open:
            return
        timeout = min(self._timeout, _COPIES_TIMEOUT) if self._copies else self._timeout
        self._open = await self._watcher.wait_synced(timeout) or self._copies
        if not self._open:
            raise Unavailable(
                "the policies are not known yet: the registry has not answered since the first start",
                retry_after=1.0,
            )
