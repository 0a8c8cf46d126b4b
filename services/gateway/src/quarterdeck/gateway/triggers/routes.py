"""The live table of declared routes: follows Trigger objects."""

from __future__ import annotations

from quarterdeck.common.service import Platform
from quarterdeck.common.watching import ObjectWatcher, Watched
from quarterdeck.gateway.tables import METADATA, WATCHED_OBJECTS
from quarterdeck.gateway.triggers.table import Declared, Matched, collisions, declared_by, find

MIGRATIONS = "quarterdeck.gateway.migrations"


class DeclaredRoutes:
    """What triggers declare now, at most a watch event old; it outlives the registry's absence."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._declared: dict[tuple[str, str], Declared] = {}
        self._watcher: ObjectWatcher | None = None

    async def start(self) -> None:
        """Loads the copies in the gateway's database, then follows the registry."""
        database = self._platform.database or await self._platform.open_database(METADATA, MIGRATIONS)
        self._watcher = ObjectWatcher(
            self._platform, database, WATCHED_OBJECTS, ("Trigger",), self._on_change
        )
        await self._watcher.start()

    def find(self, method: str, path: str) -> Matched | None:
        """Returns what a request leads to, None if no trigger declares its path."""
        return find(self._declared.values(), method, path)

    def is_signed(self, method: str, path: str) -> bool:
        """True for the path of a webhook, which its signature opens."""
        if not self._declared:
            return False
        matched = self.find(method, path)
        return matched is not None and matched.declared is not None and matched.declared.kind == "webhook"

    async def _on_change(self, watched: Watched, deleted: bool) -> None:
        key = (watched.tenant, watched.name)
        declared = None if deleted else declared_by(watched.tenant, watched.tenant_id, watched.object)
        if declared is None:
            self._declared.pop(key, None)
            return
        self._declared[key] = declared
        for winner, loser in collisions(self._declared.values()):
            if declared in (winner, loser):
                self._platform.telemetry.log.warning(
                    "trigger.route_collides",
                    path=loser.path,
                    method=loser.method,
                    served=f"{winner.tenant}/{winner.name}",
                    shadowed=f"{loser.tenant}/{loser.name}",
                )
