"""Runs of suspended principals stand still at their next step, and go on when these are restored."""

import pytest

from quarterdeck.common.errors import Unavailable
from quarterdeck.runtime.operations.suspending import ITSELF, Suspending, reason_of, stands_for
from quarterdeck.runtime.testing.harness import PRINCIPAL, Harness
from quarterdeck.runtime.testing.local_peer import LocalPeer
from quarterdeck.v1 import authorization_pb2

WHO = PRINCIPAL.subject
PAUSED = f"paused: principal {WHO} is suspended"
CHILD = {"nodes": [{"name": "hold", "wait": {"signal": {"name": "go"}}}]}
PARENT = {"nodes": [{"name": "sub", "workflow": {"name": "child", "input": {}}}]}


class Gateway:
    def __init__(self):
        self.suspended, self.away = [], False

    async def ListSuspensions(self, request):
        if self.away:
            raise Unavailable("the gateway is away")
        items = [authorization_pb2.Suspension(principal=one) for one in self.suspended]
        return authorization_pb2.ListSuspensionsResponse(items=items)


@pytest.fixture
async def bench(tmp_path):
    specs = {"Workflow/parent": PARENT, "Workflow/child": CHILD}
    async with Harness(tmp_path, specs=specs) as h:
        gateway = Gateway()
        yield h, gateway, Suspending(h.engine, LocalPeer("gateway", gateway))


async def children(h, run_id):
    return [one for one in await h.tree(run_id) if one != run_id]


def says(h, run_id, reason):
    async def look():
        return (await h.row(run_id)).reason == reason

    return look


async def started(h):
    root = await h.start("Workflow", "parent")
    [child] = await h.until(lambda: children(h, root))
    await h.until(says(h, child, "waiting for signal go"))
    return root, child


async def test_a_run_and_those_below_it_stand_still_and_go_on(bench):
    h, gateway, suspending = bench
    root, child = await started(h)
    gateway.suspended = ["corp:somebody-else"]
    await suspending.look()
    gateway.suspended = [WHO]
    await suspending.look()
    await h.until(says(h, root, PAUSED))
    await h.until(says(h, child, PAUSED))
    told = len(await h.journal(root))
    await suspending.look()
    await h.signal(child, "go")
    await suspending.look()
    assert (await h.row(root)).state == "waiting" and len(await h.journal(root)) == told

    gateway.suspended = []
    await suspending.look()
    await h.wait(root)
    assert (await h.row(root)).state == "succeeded"
    by = [
        event.data.get("by") for event in await h.journal(root) if event.type in ("run.paused", "run.resumed")
    ]
    assert by == [ITSELF, ITSELF]


async def test_who_resumes_it_by_hand_does_not_get_far(bench):
    h, gateway, suspending = bench
    root, child = await started(h)
    gateway.suspended = [WHO]
    await suspending.look()
    await h.until(says(h, root, PAUSED))
    await h.resume(root, by="corp:anna")
    await h.until(says(h, child, "waiting for signal go"))
    suspending._told.clear()
    await suspending.look()
    await h.until(says(h, child, PAUSED))


async def test_what_a_person_paused_stays_so(bench):
    h, gateway, suspending = bench
    root, _ = await started(h)
    await h.pause(root, "lunch")
    await h.until(says(h, root, "paused: lunch"))
    for gateway.suspended in ([WHO], []):
        await suspending.look()
    assert (await h.row(root)).reason == "paused: lunch"


async def test_while_the_gateway_is_away_nothing_changes(bench):
    h, gateway, suspending = bench
    root, _ = await started(h)
    gateway.suspended = [WHO]
    await suspending.look()
    await h.until(says(h, root, PAUSED))
    gateway.suspended, gateway.away = [], True
    with pytest.raises(Unavailable):
        await suspending.look()
    assert (await h.row(root)).reason == PAUSED
    # Another process, which has told nobody anything, lets it go on when it can ask.
    gateway.away = False
    await Suspending(h.engine, LocalPeer("gateway", gateway)).look()
    await h.until(says(h, root, "waiting for 1 child run"))


async def test_with_nobody_suspended_the_database_is_left_alone(bench, monkeypatch):
    h, _, suspending = bench
    await started(h)
    await suspending.look()

    async def read(*_args):
        raise AssertionError("asked")

    monkeypatch.setattr(h.engine.database, "read", read)
    await suspending.look()
    monkeypatch.undo()


def test_what_a_row_says():
    assert stands_for(f"paused: {reason_of('corp:anna')}")
    assert not stands_for(reason_of("corp:anna"))
    assert not stands_for("paused: principal matters")
