"""Keeps a run from a file as an archived copy: it is read and forked like any other, and never goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, insert, select

from quarterdeck.common.database import within
from quarterdeck.common.identity import Principal
from quarterdeck.common.tenants import TenantId
from quarterdeck.runtime.engine import Engine
from quarterdeck.runtime.store import definitions
from quarterdeck.runtime.store.labels import index_labels
from quarterdeck.runtime.tables import ARCHIVES, RUNS
from quarterdeck.runtime.transfer.copies import Copies, Copy
from quarterdeck.runtime.transfer.parcel import Parcel, open_parcel
from quarterdeck.runtime.transfer.pinning import Pins, pins_of

RUNS_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import brought; `original`: the id of the run where it was exported."""

    run_id: str
    runs: int
    events: int
    artifacts: int
    original: str


class Importer:
    """Imports files into one tenant, in the name of `principal`: a fork acts for whoever imported the run."""

    def __init__(self, engine: Engine, tenant: TenantId, principal: Principal) -> None:
        self._engine = engine
        self._tenant = tenant
        self._principal = principal

    async def bring(self, data: bytes) -> Imported:
        """Keeps what a file holds. The same file again is the same run; one that broke off goes on.

        Raises:
            InvalidArgument: the file is not as it was exported, or does not hold together.
            FailedPrecondition: it was written by a newer release.
        """
        parcel = await asyncio.to_thread(open_parcel, data)
        pins = await asyncio.to_thread(pins_of, parcel)
        copies = Copies(parcel, pins, self._tenant, self._principal, self._engine.clock.now())
        run_id = copies.id_of(parcel.head.run)
        if not await self._engine.database.read(_known, self._tenant.id, [run_id]):
            await self._keep(parcel, pins, copies)
        return Imported(
            run_id, len(parcel.runs), parcel.events, len(parcel.artifacts), original=parcel.head.run
        )

    async def _keep(self, parcel: Parcel, pins: Pins, copies: Copies) -> None:
        """Artifacts before what names them, definitions before the runs, the root last."""
        database = self._engine.database
        for content in parcel.artifacts.values():
            await self._engine.artifacts.put(self._tenant.id, bytes(content))
        for specs in pins.specs.values():
            await database.write(definitions.save_pins, self._tenant.id, specs)
        waiting = list(reversed(parcel.runs))
        for at in range(0, len(waiting), RUNS_AT_ONCE):
            page = await asyncio.to_thread(copies.made, waiting[at : at + RUNS_AT_ONCE])
            await database.write(_save, self._tenant.id, page)


def _known(connection: Connection, tenant_id: str, run_ids: Sequence[str]) -> set[str]:
    within(connection, tenant_id)
    mine = (RUNS.c.tenant_id == tenant_id) & RUNS.c.run_id.in_(run_ids)
    return set(connection.execute(select(RUNS.c.run_id).where(mine)).scalars())


def _save(connection: Connection, tenant_id: str, copies: Sequence[Copy]) -> None:
    known = _known(connection, tenant_id, [copy.row["run_id"] for copy in copies])
    fresh = [copy for copy in copies if copy.row["run_id"] not in known]
    if not fresh:
        return
    rows: list[dict[str, Any]] = [copy.row for copy in fresh]
    connection.execute(insert(RUNS), rows)
    connection.execute(insert(ARCHIVES), [page for copy in fresh for page in copy.pages])
    index_labels(connection, rows)
