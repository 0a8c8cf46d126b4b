"""Watches the demo's run until nothing moves any more."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from quarterdeck.cli.api import Api
from quarterdeck.cli.constants import ENDED_STATES, EXIT_RUN_FAILED, EXIT_TIMEOUT
from quarterdeck.cli.demo.progress import Progress, Standing, stand
from quarterdeck.cli.errors import CliError
from quarterdeck.cli.runs_events import read_events

POLL = 0.3
# A tree that shows no change for so long while nothing moves waits for something we cannot give it.
STALLED = 60.0
# Between a child's end and its parent's next step nothing seems to move: look twice.
SETTLED_LOOKS = 2


class Screen(Protocol):
    """What shows the progress."""

    def show(self, progress: Progress, standing: Standing, seconds: float, last: bool = False) -> None:
        """Shows how the run stands `seconds` after the watching began; `last`: for the last time."""


@dataclass(frozen=True, slots=True)
class Watched:
    """How the run stood in the end."""

    run: dict[str, Any]
    progress: Progress
    standing: Standing


class Watcher:
    """Polls one run: its journal from where it left off, and the open runs below it."""

    def __init__(self, api: Api, run_id: str, screen: Screen) -> None:
        self._api = api
        self._run_id = run_id
        self._screen = screen
        self._progress = Progress()
        self._began = time.monotonic()
        self._changed = self._began
        self._last_seen: tuple[Any, ...] = ()
        self._settled = 0

    def watch(self) -> Watched:
        """Returns when the run ended or only waits for approvals. Raises CliError if it is stuck."""
        while True:
            seen = self._look()
            if seen is not None:
                return seen
            time.sleep(POLL)

    def _look(self) -> Watched | None:
        run = self._api.get(self._api.tenant_path("runs", self._run_id))
        for event in read_events(self._api, self._run_id, self._progress.seq):
            self._progress.add(event)
        standing = stand(self._open_runs(), self._run_id)
        self._settled = self._settled + 1 if standing.only_approvals else 0
        at_rest = run["state"] in ENDED_STATES or self._settled >= SETTLED_LOOKS
        self._screen.show(self._progress, standing, time.monotonic() - self._began, at_rest)
        if at_rest:
            return Watched(run, self._progress, standing)
        self._check_stalled(standing)
        return None

    def _open_runs(self) -> list[dict[str, Any]]:
        query = {"state": "pending,running,waiting,quarantined"}
        return list(self._api.pages(self._api.tenant_path("runs"), query))

    def _check_stalled(self, standing: Standing) -> None:
        """Raises CliError when something is quarantined, or when nothing has changed for a minute."""
        broken = [run for run in standing.stuck if run["state"] == "quarantined"]
        if broken and not standing.moving:
            raise _stuck(broken[0], EXIT_RUN_FAILED)
        seen = (self._progress.seq, standing.moving, standing.asking, len(standing.stuck))
        now = time.monotonic()
        if seen != self._last_seen:
            self._last_seen, self._changed = seen, now
        if standing.stuck and not standing.moving and now - self._changed > STALLED:
            raise _stuck(standing.stuck[0], EXIT_TIMEOUT)


def _stuck(run: Mapping[str, Any], code: int) -> CliError:
    return CliError(
        f"run {run['id']} ({run['name']}) is {run['state']}: {run.get('reason') or 'no reason given'}",
        hint=f"see `qd describe run/{run['id']}`, then `qd runs resume {run['id']}`",
        code=code,
    )
