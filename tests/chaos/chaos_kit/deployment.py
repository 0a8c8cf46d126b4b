"""The platform on real servers: each service a process, agent-runtime several times."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from e2e_kit.process import Child, kill_everything, pause
from e2e_kit.shapes import RUNTIME, SERVICES, START_SECONDS, ManyWorkers

from chaos_kit.forking import ForkServer

# Of the workers that are started again, one in so many starts as it does for users, with all its imports.
ORDINARY = 10


class Deployment(ManyWorkers):
    """Five services of which one has `workers` replicas.

    Args:
        urls: QD_DATABASE_URL, QD_BUS_URL, QD_CACHE_URL of everything.
        worker_urls: the same for the runtime's replicas, where theirs differ.
        forks: starts workers again; one in `ORDINARY` starts as it does for users.

    Attributes:
        revived: processes that were started again because they had ended by themselves.
        started: how workers were started again, counted: "forked", "ordinarily".
    """

    def __init__(
        self,
        data_dir: Path,
        workers: int,
        urls: Mapping[str, str],
        worker_urls: Mapping[str, str],
        forks: ForkServer,
    ) -> None:
        super().__init__(data_dir, urls, workers)
        self._worker_urls = worker_urls
        self._forks = forks
        self.revived = 0
        self.started: Counter[str] = Counter()

    def environment_of(self, child: str) -> Mapping[str, str]:
        """See `Shape.environment_of`."""
        mine = self._worker_urls if child in self.workers else {}
        return {**super().environment_of(child), **mine}

    def replica(self, name: str) -> Child:
        """Returns the process of this name."""
        return next(child for child in self.children if child.name == name)

    def kill_replica(self, name: str) -> None:
        """Sends SIGKILL to a process and to everything below it."""
        kill_everything([self.replica(name)])

    def restart(self, name: str) -> None:
        """Starts a process again that was killed; does not wait until it is healthy."""
        self.children = [child for child in self.children if child.name != name]
        if name not in self.workers:
            self.children.append(self._spawn(name))
            return
        ordinary = self.started.total() % ORDINARY == ORDINARY - 1
        self.started["ordinarily" if ordinary else "forked"] += 1
        self.children.append(self._spawn(name) if ordinary else self._fork(name))

    def _fork(self, name: str) -> Child:
        output = self._screen(name)
        return self._forks.spawn(name, self.commands()[name], self.environment_of(name), output)

    def revive(self) -> None:
        """Starts again what has ended by itself, as whoever supervises the services does.

        None should: one that finds no database when it starts waits for it. `revived` counts them.
        """
        for name in [child.name for child in self.children if not child.running]:
            self.revived += 1
            self.restart(name)

    def _require_alive(self, deadline: float, waiting: set[str]) -> None:
        self.revive()
        super()._require_alive(deadline, waiting)

    def wait_for_workers(self, seconds: float = START_SECONDS) -> None:
        """Waits until every replica works. Raises AssertionError if it takes longer."""
        deadline = time.monotonic() + seconds
        while not all(self._healthy(name) for name in self.workers):
            self._require_alive(deadline, set(self.workers))
            pause()

    def freeze(self, name: str) -> None:
        """Stops a process where it stands; it notices nothing."""
        os.kill(self.replica(name).pid, signal.SIGSTOP)

    def thaw(self, name: str) -> None:
        """Lets it go on."""
        os.kill(self.replica(name).pid, signal.SIGCONT)

    def wait_until_healthy(self, seconds: float = START_SECONDS) -> None:
        """Waits until every service answers that it is well."""
        self._wait_until_healthy(seconds)


__all__ = ["RUNTIME", "SERVICES", "Deployment"]
