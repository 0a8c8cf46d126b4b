"""Taking over what an API server has: whole, many at once, and without an echo."""

import asyncio

import pytest
from prometheus_client import CollectorRegistry
from registry_support import agent, manifest

from quarterdeck.common import codec
from quarterdeck.common.clock import SystemClock
from quarterdeck.common.errors import Internal, NotFound, Unavailable
from quarterdeck.controller.caching.cache import Change
from quarterdeck.controller.metrics import ControllerMetrics
from quarterdeck.controller.queue import WorkQueue
from quarterdeck.registry import manifests, projection
from quarterdeck.registry.conditions import Facts, Problem
from quarterdeck.registry.feed import Feed
from quarterdeck.registry.gathering import Gathering
from quarterdeck.registry.judging import references_within
from quarterdeck.registry.kube.echoes import is_echo
from quarterdeck.registry.mirror import Mirror
from quarterdeck.registry.projection import Projected, Projection
from quarterdeck.registry.reconciler import Reconciler
from quarterdeck.registry.records import Scope, Source
from quarterdeck.registry.world import World


def item(scope, thing, uid="u", generation=1, facts=None, now=2.0):
    name = thing["metadata"]["name"]
    source = Source(f"{uid}-{name}", generation, "2026-01-01T00:00:00Z")
    facts = Facts() if facts is None else facts
    return Projection(scope, manifests.of_object(thing), source, {}, facts, {"untyped": []}, now)


def status_of(change):
    return codec.loads(change.object_json)["status"]


def said(change):
    return {entry["type"]: (entry["status"], entry["reason"]) for entry in status_of(change)["conditions"]}


def test_many_are_one_change_each_with_all_their_conditions(connection, scope):
    items = [item(scope, agent(f"a{number}")) for number in range(5)]
    done = projection.project(connection, items)
    first = done.changes[0].version
    assert [change.version for change in done.changes] == list(range(first, first + 5))
    for change in done.changes:
        assert said(change) == {
            "Accepted": ("True", "Accepted"),
            "ResolvedRefs": ("True", "Resolved"),
            "Ready": ("True", "Ready"),
        }
        assert status_of(change)["observedGeneration"] == 1
        assert status_of(change)["revision"] == change.revision
    assert projection.project(connection, items) == Projected([], {})


def test_a_new_spec_and_a_namesake_go_along_with_new_objects(connection, scope):
    projection.project(connection, [item(scope, agent("a")), item(scope, agent("b"))])
    changed = item(scope, agent("a", description="x"), generation=2)
    namesake = item(scope, agent("b"), uid="other")
    done = projection.project(connection, [changed, namesake, item(scope, agent("c"))])
    assert {(change.name, change.deleted) for change in done.changes} == {
        ("a", False),
        ("b", True),
        ("b", False),
        ("c", False),
    }
    assert len({change.version for change in done.changes}) == 4


def test_what_is_refused_says_so_and_what_follows_from_that(connection, scope):
    bad = manifest("Workflow", "w", {"nodes": [{"name": "n", "transform": {"output": "${1 +}"}}]})
    misfit = Facts(misfits=[Problem("spec", "of a spec in force alone")])
    good = item(scope, agent("a"), facts=Facts(missing=[Problem("spec.model", "none")]))
    done = projection.project(connection, [item(scope, bad, facts=misfit), good])
    found = {change.name: said(change) for change in done.changes}
    assert found["w"]["Accepted"][0] == "False"
    assert found["w"]["Ready"] == ("False", "NotAccepted")
    assert found["w"]["ResolvedRefs"][0] == "True"
    assert found["a"]["Ready"][0] == "False"


def test_without_its_tenant_an_object_is_refused_alone(connection, scope):
    orphan = item(Scope("gone", "gone"), agent("a"))
    done = projection.project(connection, [orphan, item(scope, agent("a"))])
    assert isinstance(done.refused[orphan.key], NotFound)
    assert [change.tenant for change in done.changes] == ["default"]


class Writes:
    """Stands for the feed: records what is written together, and fails as it is told to."""

    def __init__(self, fails=lambda items: None):
        self.batches = []
        self.fails = fails

    async def write(self, _function, items):
        self.batches.append([entry.wanted.name for entry in items])
        await asyncio.sleep(0.01)
        if error := self.fails(items):
            raise error
        return Projected([], {})


async def test_who_comes_while_one_is_written_goes_together():
    feed = Writes()
    gathering = Gathering(feed)
    first = asyncio.create_task(gathering.take(item(Scope("t", "t"), agent("a"))))
    await asyncio.sleep(0.001)
    await asyncio.gather(first, *(gathering.take(item(Scope("t", "t"), agent(name))) for name in "bcd"))
    assert feed.batches == [["a"], ["b", "c", "d"]]


async def test_one_that_fails_does_not_stop_the_others():
    feed = Writes(lambda items: Internal("no") if any(e.wanted.name == "b" for e in items) else None)
    gathering = Gathering(feed)
    work = [gathering.take(item(Scope("t", "t"), agent(name))) for name in "abc"]
    found = await asyncio.gather(*work, return_exceptions=True)
    assert [type(each) for each in found] == [type(None), Internal, type(None)]
    away = Gathering(Writes(lambda items: Unavailable("away")))
    with pytest.raises(Unavailable):
        await away.take(item(Scope("t", "t"), agent("a")))


@pytest.fixture
def looks(connection, scope):
    """A reconciler over a feed, and the queue of what it is asked to look at."""
    queue = WorkQueue("objects", ControllerMetrics(CollectorRegistry()))
    feed = Feed(None, Mirror())
    reconciler = Reconciler(feed, World(feed.mirror), queue, SystemClock())
    reconciler.start()

    def publish(*items):
        changes = projection.project(connection, list(items)).changes
        feed.mirror.version = changes[0].version - 1
        feed._publish(changes)

    return reconciler, queue, publish


async def test_an_object_that_was_written_whole_is_not_looked_at(looks, scope):
    reconciler, queue, publish = looks
    one = item(scope, agent("a"))
    reconciler.begin_whole(one.key, references_within(one.key, one.wanted.parsed))
    publish(one)
    reconciler.end_whole(one.key)
    assert len(queue) == 0


async def test_what_it_names_changing_meanwhile_is_a_reason_for_a_look(looks, scope):
    reconciler, queue, publish = looks
    one = item(scope, agent("a"))
    reconciler.begin_whole(one.key, references_within(one.key, one.wanted.parsed))
    tiers = [{"name": "standard", "providers": [{"provider": "playbook", "playbook": "p.yaml"}]}]
    publish(item(scope, manifest("ModelRoute", "default", {"tiers": tiers})))
    asked = len(queue)
    publish(one)
    reconciler.end_whole(one.key)
    assert len(queue) == asked + 1


def test_an_echo_is_a_change_of_nothing_that_somebody_wants():
    accepted = {"status": {"conditions": [{"type": "Accepted", "status": "True"}]}}
    old = agent("a") | {"metadata": {"name": "a", "uid": "u", "generation": 1, "resourceVersion": "1"}}
    new = old | accepted | {"metadata": old["metadata"] | {"resourceVersion": "2"}}
    assert is_echo(Change(old, new))
    assert not is_echo(Change(None, new))
    assert not is_echo(Change(new, None))
    assert not is_echo(Change(new, new))
    for changed in ({"generation": 2}, {"uid": "v"}, {"labels": {"x": "y"}}, {"deletionTimestamp": "t"}):
        assert not is_echo(Change(old, new | {"metadata": new["metadata"] | changed}))
    refused = {"status": {"conditions": [{"type": "Accepted", "status": "False"}]}}
    assert not is_echo(Change(old, new | refused))
