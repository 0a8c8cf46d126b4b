"""Rows of the journal that hold several events: what goes in comes out, exactly, wherever reading begins."""

import time
from types import SimpleNamespace

import pytest
from sqlalchemy import insert

from quarterdeck.common.database import within
from quarterdeck.runtime.events import EFFECT_INTENT, RUN_SUCCEEDED, STEP_COMPLETED, STEP_STARTED, Event
from quarterdeck.runtime.store import archives, journal, mentions, packing
from quarterdeck.runtime.tables import JOURNAL
from quarterdeck.runtime.testing.harness import TENANT, Harness

SPECS = {"Workflow/w": {"nodes": [{"name": "a", "transform": {"output": 1}}]}}
RUN = "01a2001a-4ccd-783f-a9ed-243a912931ae"


def event(kind=STEP_STARTED, at=0.0, **data):
    return Event(kind, data, at)


def unpacked(rows):
    return [e for row in rows for e in packing.entries(row["seq"], row["type"], row["data"], row["at"])]


def test_one_event_is_written_as_it_always_was():
    (row,) = packing.rows(RUN, "t", 6, [event(at=1.5, step="a")])
    assert (row["seq"], row["type"], row["data"], row["at"]) == (7, STEP_STARTED, b'{"step":"a"}', 1.5)


def test_what_an_append_writes_is_read_as_it_was():
    now = time.time()
    times = [now, time.time(), now - 3.25, 0.1, 1e-7, 1e17]
    events = [
        event(STEP_COMPLETED, at, n=n, text='quoted ",\n[{}],\r\n " \u2028', more=[[], {}])
        for n, at in enumerate(times)
    ]
    (row,) = packing.rows(RUN, "t", 10, events)
    assert row["seq"] == 16
    found = unpacked([row])
    assert [entry.seq for entry in found] == [11, 12, 13, 14, 15, 16]
    assert [entry.event() for entry in found] == events


@pytest.mark.parametrize(
    ("sizes", "ends"),
    [
        ([10] * 250, [100, 200, 250]),
        ([40_000] * 3, [1, 2, 3]),
        ([30_000] * 5, [2, 4, 5]),
        ([70_000, 1, 1], [1, 3]),
        ([1, 70_000], [1, 2]),
    ],
)
def test_a_row_is_bounded_in_events_and_in_bytes(sizes, ends):
    events = [event(text="x" * size) for size in sizes]
    rows = packing.rows(RUN, "t", 0, events)
    assert [entry.event() for entry in unpacked(rows)] == events
    assert [entry.seq for entry in unpacked(rows)] == list(range(1, len(sizes) + 1))
    assert [row["seq"] for row in rows] == ends


def test_nothing_is_written_as_nothing():
    assert packing.rows(RUN, "t", 3, []) == []


async def written(h, *appends):
    """Writes appends one after the other; the first row is of the form of the release before."""

    def write(connection):
        within(connection, TENANT.id)
        seq = 0
        for events in appends:
            connection.execute(insert(JOURNAL), packing.rows(RUN, TENANT.id, seq, events))
            seq += len(events)

    await h.database.write(write)
    return [one for events in appends for one in events]


APPENDS = (
    [event(n=1)],
    [event(EFFECT_INTENT, n=2), event(n=3), event(n=4)],
    [event(n=5)],
    [event(EFFECT_INTENT, n=6), event(EFFECT_INTENT, n=7), event(n=8), event(RUN_SUCCEEDED, n=9)],
)


async def test_reading_begins_and_ends_anywhere(tmp_path):
    async with Harness(tmp_path, specs=SPECS) as h:
        events = await written(h, *APPENDS)
        for after in range(11):
            for limit in (1, 2, 3, 4, 100, 1 << 31):
                page = await h.database.read(journal.read_events, TENANT.id, RUN, after, limit)
                expected = list(enumerate(events, 1))[after : after + limit]
                assert [(entry.seq, entry.event()) for entry in page] == expected, (after, limit)


async def test_events_of_a_type_are_found_within_rows(tmp_path):
    async with Harness(tmp_path, specs=SPECS) as h:
        await written(h, *APPENDS)

        def found(connection):
            every = list(journal.of_type(connection, TENANT.id, RUN, EFFECT_INTENT, RUN_SUCCEEDED))
            last = journal.last_of_type(connection, TENANT.id, RUN, EFFECT_INTENT)
            none = journal.last_of_type(connection, TENANT.id, RUN, STEP_COMPLETED)
            return SimpleNamespace(every=every, last=last, none=none)

        seen = await h.database.read(found)
        assert [entry.seq for entry in seen.every] == [2, 6, 7, 9]
        assert (seen.last.seq, seen.none) == (7, None)


async def test_artifacts_that_are_named_within_rows_are_found(tmp_path):
    async with Harness(tmp_path, specs=SPECS) as h:
        digests = {f"sha256:{number:064x}" for number in range(3)}
        await written(h, [event(output={"$artifact": digest}) for digest in sorted(digests)])
        (place,) = [place for place in mentions.PLACES if place.table is JOURNAL]
        found, _ = await h.database.read(mentions.search, TENANT.id, place, ())
        assert found == digests


async def test_an_archive_has_an_entry_for_each_event(tmp_path):
    async with Harness(tmp_path, specs=SPECS) as h:
        events = await written(h, *APPENDS)
        assert await h.database.write(archives.archive, TENANT.id, RUN, 1.0) == len(events)
        page = await h.database.read(journal.read_events, TENANT.id, RUN, 2, 4)
        assert [(entry.seq, entry.event()) for entry in page] == list(enumerate(events, 1))[2:6]
