"""What became of an append whose commit was not answered."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, select

from quarterdeck.common.database import within
from quarterdeck.runtime.store.commits import Commit, Fate, journal_rows
from quarterdeck.runtime.tables import JOURNAL, RUN_QUEUE


def what_became(connection: Connection, unit: Commit) -> Fate | None:
    """Returns the fate of an append; None if it was not made, so that it may be tried again.

    It was made if its name stands at the run, or, for a run that is over, its last event in the journal.
    """
    within(connection, unit.tenant_id)
    place = connection.execute(select(RUN_QUEUE).where(RUN_QUEUE.c.run_id == unit.run_id)).one_or_none()
    if place is None:
        return Fate.DONE if unit.finished and _is_last(connection, unit) else Fate.FENCED
    return judge(place, unit)


def judge(place: Any, unit: Commit) -> Fate | None:
    """Decides from the run's place in the queue. See `what_became`."""
    if place.epoch != unit.epoch:
        return Fate.FENCED  # made or not: somebody else goes on from what is there
    if place.batch == unit.batch:
        wants_to_park = unit.park_if_inbox is not None and not unit.finished
        return Fate.NOT_PARKED if wants_to_park and place.status == "held" else Fate.DONE
    still_mine = place.seq == unit.seq and place.worker == unit.worker and place.status == "held"
    return None if still_mine else Fate.FENCED


def _is_last(connection: Connection, unit: Commit) -> bool:
    if not unit.events:
        return False
    last = journal_rows(unit)[-1]
    mine = (JOURNAL.c.run_id == unit.run_id) & (JOURNAL.c.seq == last["seq"])
    found = connection.execute(select(JOURNAL.c.type, JOURNAL.c.data, JOURNAL.c.at).where(mine)).one_or_none()
    return found is not None and tuple(found) == (last["type"], last["data"], last["at"])
