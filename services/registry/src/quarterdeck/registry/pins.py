"""Revisions as runs pin them: read once, kept in memory, since they never change."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from quarterdeck.common import codec
from quarterdeck.common.database import Database
from quarterdeck.common.errors import Internal
from quarterdeck.registry import parsed, revisions
from quarterdeck.v1 import resources_pb2

if TYPE_CHECKING:
    from quarterdeck.resources.references import Reference

REMEMBERED = 1024


@dataclass(frozen=True, slots=True)
class Pinned:
    """A revision and what it names."""

    message: resources_pb2.Revision
    references: tuple[Reference, ...]


class PinnedRevisions:
    """Reads revisions; the last ones asked for are remembered."""

    def __init__(self, database: Database, remembered: int = REMEMBERED) -> None:
        self._database = database
        self._remembered = remembered
        self._known: OrderedDict[tuple[str, str], Pinned] = OrderedDict()

    async def get(self, tenant_id: str, revision: str) -> Pinned:
        """Returns a revision that an object in memory names. Raises Internal if it is not kept."""
        key = (tenant_id, revision)
        known = self._known.get(key)
        if known is None:
            found = await self._database.read(revisions.find, tenant_id, revision)
            if found is None:
                raise Internal(f"revision {revision} is in force and not kept")
            known = self._known[key] = pinned(found)
        self._known.move_to_end(key)
        while len(self._known) > self._remembered:
            self._known.popitem(last=False)
        return known


def pinned(found: revisions.Revision) -> Pinned:
    """Returns a revision with what it names."""
    resource = parsed.of_spec(found.key.kind, found.key.name, codec.loads(found.spec_json))
    return Pinned(message(found), parsed.references_of(resource))


def message(found: revisions.Revision) -> resources_pb2.Revision:
    """Returns a revision as it is answered."""
    return resources_pb2.Revision(
        revision=found.revision,
        kind=found.key.kind,
        name=found.key.name,
        spec_json=found.spec_json,
        created_at=found.created_at,
    )
