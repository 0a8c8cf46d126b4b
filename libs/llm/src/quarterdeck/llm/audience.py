"""Those who watch an answer grow, across attempts."""

from __future__ import annotations

from quarterdeck.llm.types import ModelDelta, OnDelta


class Audience:
    """Passes deltas on, and tells the watcher when what it saw is void."""

    def __init__(self, on_delta: OnDelta | None) -> None:
        self._on_delta = on_delta
        self._has_seen = False
        self._void = False

    def delta(self, delta: ModelDelta) -> None:
        """Pass on one delta, after a restart when one is due."""
        if self._on_delta is None:
            return
        if self._void:
            self._void = False
            self._on_delta(ModelDelta(restart=True))
        self._has_seen = True
        self._on_delta(delta)

    def failed(self) -> None:
        """An attempt failed: the next delta belongs to another one."""
        self._void = self._has_seen
