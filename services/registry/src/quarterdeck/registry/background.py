"""What goes on beside the answers: conditions are kept true, and the tables small."""

from __future__ import annotations

from quarterdeck.common.service import Platform
from quarterdeck.controller.loop import Controller
from quarterdeck.controller.metrics import ControllerMetrics
from quarterdeck.controller.queue import WorkQueue
from quarterdeck.registry.config import RegistrySettings
from quarterdeck.registry.feed import Feed
from quarterdeck.registry.reconciler import Reconciler
from quarterdeck.registry.records import Key
from quarterdeck.registry.upkeep import Upkeep
from quarterdeck.registry.world import World


class Background:
    """See the module. Of many replicas, one is enough; more do no harm."""

    def __init__(
        self,
        platform: Platform,
        feed: Feed,
        world: World,
        settings: RegistrySettings,
        metrics: ControllerMetrics,
        *,
        in_cluster: bool = False,
    ) -> None:
        assert platform.database is not None
        self._platform = platform
        self._queue: WorkQueue[Key] = WorkQueue("objects", metrics)
        self.reconciler = Reconciler(feed, world, self._queue, platform.clock, in_cluster=in_cluster)
        log = platform.telemetry.log
        self._controller = Controller(
            "objects",
            self._queue,
            self.reconciler.reconcile,
            metrics=metrics,
            log=log,
            workers=settings.workers,
        )
        self.upkeep = Upkeep(platform.database, settings, platform.clock, log)

    @property
    def idle(self) -> bool:
        """True while nothing is to be looked at."""
        return self._queue.idle

    def start(self) -> None:
        """Looks at every object once, and from now on at whatever changes."""
        self.reconciler.start()
        self._platform.spawn(self._controller.run(), "reconcile")
        self._platform.spawn(self.upkeep.trim(), "trim-history")
        self._platform.spawn(self.upkeep.collect(), "collect-revisions")

    def close(self) -> None:
        """Begins nothing more."""
        self._queue.close()
