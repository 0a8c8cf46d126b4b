"""What a Trigger's status says of the clock: written when it differs from what the object shows."""

import json
from types import SimpleNamespace

import pytest
from sqlalchemy import insert

from quarterdeck.common import codec
from quarterdeck.common.clock import SystemClock, rfc3339
from quarterdeck.common.database import open_database, within
from quarterdeck.common.errors import NotFound, Unavailable
from quarterdeck.runtime.tables import METADATA, TRIGGERS, WATCHED
from quarterdeck.runtime.testing.harness import TENANT, Harness
from quarterdeck.runtime.triggers.reporting import StatusReporter

NINE = 1_780_297_200.0


class Registry:
    """Takes reports, or refuses them; the tests say what becomes of an object."""

    def __init__(self):
        self.taken, self.error = [], None

    def stub(self, _stub):
        return SimpleNamespace(UpdateStatus=None)

    async def call(self, _method, request):
        if self.error:
            raise self.error
        self.taken.append((request.tenant, request.kind, request.name, json.loads(request.status_json)))


def put(connection, name, shown=None, **row):
    within(connection, TENANT.id)
    same = {"tenant": TENANT.name, "tenant_id": TENANT.id, "name": name}
    for table in (TRIGGERS, WATCHED):
        connection.execute(table.delete().where(table.c.name == name))
    values = {"source": "cron", "spec": b"{}", "fired": 0, "skipped": 0, "last_run_id": "", **row}
    connection.execute(insert(TRIGGERS).values(**same, **values))
    document = codec.dumps({"metadata": {"uid": "u"}, "status": shown or {}})
    connection.execute(insert(WATCHED).values(**same, kind="Trigger", revision="r", object_json=document))


@pytest.fixture
async def bench(tmp_path):
    database = await open_database(Harness.url_of(tmp_path), METADATA)
    registry = Registry()
    yield SimpleNamespace(
        put=lambda *args, **row: database.write(lambda c: put(c, *args, **row)),
        registry=registry,
        reporter=StatusReporter(registry, database, SystemClock()),
    )
    await database.close()


async def test_the_next_time_is_written_once_and_again_when_it_moves(bench):
    await bench.put("t", next_due=NINE)
    assert await bench.reporter.report()
    status = {"nextTime": rfc3339(NINE), "lastTime": None, "lastRun": None}
    assert bench.registry.taken == [(TENANT.name, "Trigger", "t", status)]
    await bench.reporter.report()
    assert len(bench.registry.taken) == 1
    await bench.put("t", status, next_due=NINE + 60, last_fired=NINE, last_run_id="r1")
    await bench.reporter.report()
    moved = {"nextTime": rfc3339(NINE + 60), "lastTime": rfc3339(NINE), "lastRun": "r1"}
    assert bench.registry.taken[1:] == [(TENANT.name, "Trigger", "t", moved)]


async def test_what_shows_the_right_time_already_is_left_alone(bench):
    await bench.put("t", {"nextTime": rfc3339(NINE), "conditions": []}, next_due=NINE)
    await bench.put("by-hand", {"conditions": []}, source="http")
    assert await bench.reporter.report()
    assert bench.registry.taken == []


async def test_a_paused_trigger_has_no_next_time(bench):
    await bench.put("t", {"nextTime": rfc3339(NINE)})
    await bench.reporter.report()
    assert bench.registry.taken[0][3]["nextTime"] is None


async def test_what_was_not_taken_is_written_later(bench):
    await bench.put("t", next_due=NINE)
    bench.registry.error = Unavailable("the registry is away")
    assert not await bench.reporter.report()
    bench.registry.error = None
    assert await bench.reporter.report()
    assert len(bench.registry.taken) == 1


async def test_one_that_is_gone_holds_nobody_up(bench):
    await bench.put("t", next_due=NINE)
    bench.registry.error = NotFound("it is gone")
    assert await bench.reporter.report()


async def test_that_an_account_is_denied_is_said_once_and_taken_back(bench):
    await bench.put("t", next_due=NINE)
    tell, taken = bench.reporter.tell_permitted, bench.registry.taken
    await tell(TENANT, "t", "")
    assert taken == []
    for _ in range(2):
        await tell(TENANT, "t", "x may not create runs")
    denied = {"type": "Permitted", "status": "False", "reason": "AccountDenied"}
    denied["message"] = "x may not create runs"
    assert taken == [("default", "Trigger", "t", {"conditions": [denied]})]
    for _ in range(2):
        await tell(TENANT, "t", "")
    assert [one[3]["conditions"][0]["status"] for one in taken] == ["False", "True"]


async def test_what_another_process_said_of_an_account_is_taken_back(bench):
    shown = {"conditions": [{"type": "Permitted", "status": "False", "reason": "AccountDenied"}]}
    await bench.put("t", shown, next_due=NINE)
    bench.registry.error = Unavailable("away")
    await bench.reporter.tell_permitted(TENANT, "t", "")
    bench.registry.error = None
    await bench.reporter.tell_permitted(TENANT, "t", "")
    assert [one[3]["conditions"][0]["status"] for one in bench.registry.taken] == ["True"]
