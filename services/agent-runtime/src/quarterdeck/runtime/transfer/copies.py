"""The rows of imported runs. Pure.

An id follows from the file and the tenant, so that the same file again is the same run. Where an event or a
row names a run of the file, it names the copy; all else stands as it was recorded.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from quarterdeck.common import codec
from quarterdeck.common.identity import Principal
from quarterdeck.common.ids import uuid7
from quarterdeck.common.tenants import TenantId
from quarterdeck.runtime import events as ev
from quarterdeck.runtime.store import archives
from quarterdeck.runtime.store.archives import Entry
from quarterdeck.runtime.transfer.entries import Run
from quarterdeck.runtime.transfer.parcel import Parcel
from quarterdeck.runtime.transfer.pinning import Pins

ENDED = ("succeeded", "failed", "cancelled", "timed-out")
# Which field of an event names a run.
_LINKS = {ev.RUN_STARTED: "parent", ev.CHILDREN_STARTED: "run", ev.CHILD_FINISHED: "run"}


@dataclass(frozen=True, slots=True)
class Copy:
    """A run's row, and its journal in archived form."""

    row: dict[str, Any]
    pages: list[dict[str, Any]]


class Copies:
    """Makes the rows of a file's runs.

    Args:
        now: when they are imported, Unix time in seconds.
    """

    def __init__(
        self, parcel: Parcel, pins: Pins, tenant: TenantId, principal: Principal, now: float
    ) -> None:
        self._parcel = parcel
        self._pins = pins
        self._tenant = tenant
        self._now = now
        self._principal = codec.dumps({"subject": principal.subject, "groups": list(principal.groups)})
        self._ids = {run.id: self._new_id(rank, run) for rank, run in enumerate(parcel.runs.values())}

    def id_of(self, original: str) -> str:
        """Returns the id of the copy of a run."""
        return self._ids[original]

    def made(self, originals: Sequence[str]) -> list[Copy]:
        """Returns the copies of some runs. Packs their journals: slow."""
        return [self._copy(self._parcel.runs[original]) for original in originals]

    def _new_id(self, rank: int, run: Run) -> str:
        """Returns an id as old as the run, in the order of the file: ids are in the order of beginnings."""
        said = hashlib.sha256(f"{self._tenant.id} {self._parcel.seal} {run.id}".encode()).digest()
        # The rank stands before the noise, around the two bits that every UUID has in the middle.
        noise = (rank >> 6) << 64 | (rank & 0x3F) << 56 | int.from_bytes(said[:7], "big")
        milliseconds = int(min(run.created_at, self._now) * 1000)
        return uuid7(milliseconds, noise.to_bytes(10, "big"))

    def _copy(self, run: Run) -> Copy:
        run_id, journal = self._ids[run.id], self._parcel.journals[run.id]
        linked = [self._linked(entry) for entry in journal]
        pages = archives.pages(self._tenant.id, run_id, archives.IMPORT, linked, self._now)
        return Copy(self._row(run, run_id), pages)

    def _linked(self, entry: Entry) -> Entry:
        seq, kind, data, at = entry
        link = _LINKS.get(kind, "")
        if not link:
            return entry
        value = codec.loads(data)
        if value.get(link) not in self._ids:
            return entry
        return seq, kind, codec.dumps({**value, link: self._ids[value[link]]}).decode(), at

    def _row(self, run: Run, run_id: str) -> dict[str, Any]:
        key = f"{run.kind}/{run.name}"
        closure = self._pins.closures[run.closure]
        return {
            **self._outcome(run),
            "run_id": run_id,
            "tenant_id": self._tenant.id,
            "tenant": self._tenant.name,
            "kind": run.kind,
            "name": run.name,
            "revision": self._pins.revisions[run.closure][key],
            "closure": closure,
            "parent_run_id": self._ids.get(run.parent, ""),
            "parent_step": run.parent_step,
            "item_index": run.item_index,
            "depth": run.depth - self._parcel.runs[self._parcel.head.run].depth,
            "root_run_id": self._ids[self._parcel.head.run],
            # Of a session here it was never a turn, and it holds no key.
            "session": "",
            "run_key": run.key,
            "gate": "",
            "labels": codec.dumps(run.labels),
            "principal": self._principal,
            "budget": codec.dumps(self._pins.budget(run)),
            "cost": run.cost_micro_usd,
            "tokens": run.tokens,
            "last_seq": run.last_seq,
            "created_at": run.created_at,
            "started_at": run.started_at,
            "forked_from": run.forked_from,
        }

    def _outcome(self, run: Run) -> dict[str, Any]:
        """Returns how it ended; one that was open then is cancelled here: nobody goes on with it."""
        said = {
            name: codec.dumps(getattr(run, name)) if name in run.model_fields_set else b""
            for name in ("input", "output", "error")
        }
        if run.state in ENDED and run.finished_at is not None:
            return {**said, "state": run.state, "reason": run.reason, "finished_at": run.finished_at}
        message = f"it was {run.state} when it was exported"
        ended = {"state": "cancelled", "reason": message, "finished_at": self._parcel.head.exported_at}
        return {**said, **ended, "error": codec.dumps(ev.error_value("cancelled", message))}
