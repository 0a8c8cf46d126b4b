"""What is wrong with a part of the platform right now: said once when it begins and once when it is over."""

from __future__ import annotations

import structlog

from quarterdeck.common.errors import Unavailable

log = structlog.get_logger("troubles")


class Troubles:
    """The open troubles of one part ("bus", "cache"), by what they are about."""

    def __init__(self, part: str) -> None:
        self._part = part
        self._open: dict[str, str] = {}

    def note(self, about: str, message: str) -> None:
        """Opens a trouble or changes it; only what is new is logged."""
        if self._open.get(about) != message:
            self._open[about] = message
            log.error(f"{self._part}.trouble", about=about, reason=message)

    def clear(self, about: str) -> None:
        """Closes a trouble."""
        if self._open.pop(about, None) is not None:
            log.warning(f"{self._part}.recovered", about=about)

    def about(self, about: str) -> str:
        """Returns what is wrong with one thing, empty when nothing is."""
        return self._open.get(about, "")

    def check(self) -> None:
        """Raises Unavailable with what is wrong, each reason once."""
        if self._open:
            raise Unavailable("; ".join(dict.fromkeys(self._open.values())))
