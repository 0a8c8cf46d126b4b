"""Revisions that are in force, or were lately, stay; what has not been in force for long is removed."""

from registry_support import agent, workflow
from sqlalchemy import select

from quarterdeck.registry import manifests, revisions, store
from quarterdeck.registry.decisions import Precondition
from quarterdeck.registry.records import Key
from quarterdeck.registry.tables import REVISIONS
from quarterdeck.registry.upkeep import REVISIONS_AT_ONCE
from quarterdeck.v1 import resources_pb2 as pb


def apply(connection, scope, name, text, now):
    wanted = manifests.of_object(agent(name, description=text))
    return store.apply(connection, scope, wanted, Precondition(), now).row.revision


def kept(connection):
    return set(connection.execute(select(REVISIONS.c.revision).where(REVISIONS.c.kind == "Agent")).scalars())


def test_old_revisions_go_and_the_newest_stay(connection, scope):
    made = [apply(connection, scope, "a", str(n), now=10.0 + n) for n in range(6)]
    assert revisions.collect(connection, 13.0, 1, 100) == 2  # 0 and 1 went out of force at 11 and 12
    assert kept(connection) == set(made[2:])
    assert revisions.collect(connection, 100.0, 3, 100) == 1
    assert revisions.collect(connection, 100.0, 3, 100) == 0
    assert kept(connection) == set(made[3:])
    assert revisions.collect(connection, 100.0, 1, 1) == 1  # a page at a time
    assert revisions.collect(connection, 100.0, 1, 1) == 1
    assert kept(connection) == {made[5]}


def test_what_is_in_force_again_stays(connection, scope):
    first = apply(connection, scope, "a", "one", 10.0)
    second = apply(connection, scope, "a", "two", 11.0)
    assert apply(connection, scope, "a", "one", 12.0) == first
    assert revisions.collect(connection, 100.0, 1, 100) == 0  # the newest one is out of force, and the newest
    third = apply(connection, scope, "a", "three", 200.0)
    assert revisions.collect(connection, 100.0, 1, 100) == 1
    assert kept(connection) == {first, third} and second not in kept(connection)  # `first` went at 200


def test_revisions_of_a_deleted_object_stay_for_a_while(connection, scope):
    made = apply(connection, scope, "a", "one", 10.0)
    other = apply(connection, scope, "b", "one", 10.0)
    store.delete(connection, scope, Key(scope.tenant_id, "Agent", "a"), Precondition(), 50.0)
    assert revisions.collect(connection, 50.0, 10, 100) == 0
    assert revisions.collect(connection, 51.0, 10, 100) == 1
    assert made not in kept(connection) and other in kept(connection)
    assert apply(connection, scope, "a", "one", 60.0) == made  # and may come back
    assert made in kept(connection)


async def test_the_registry_collects(world, admin):
    assert REVISIONS_AT_ONCE > 1
    for number in range(13):
        await admin.apply(workflow("w", {"name": "n", "wait": {"duration": f"{number + 1}s"}}))
    assert await world.service.background.upkeep.collect_revisions() == 0
    listing = pb.ListRevisionsRequest(tenant="default", kind="Workflow", name="w", page_size=100)
    assert len((await admin.call("ListRevisions", listing)).revisions) == 13
    world.service._settings.revision_days = -1.0  # all of the past is long ago
    assert await world.service.background.upkeep.collect_revisions() == 3
    left = (await admin.call("ListRevisions", listing)).revisions
    assert len(left) == 10 and b'"13s"' in left[0].spec_json
    runtime = world.client("agent-runtime", None)
    assert (await runtime.closure("Workflow", "w")).revisions[0].revision == left[0].revision
