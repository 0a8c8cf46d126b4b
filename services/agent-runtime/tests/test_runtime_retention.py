"""Ended runs are archived and still readable; what nothing names is collected, what something names never."""

import asyncio
import os
import time

import pytest

from quarterdeck.common import codec
from quarterdeck.common.database import across_tenants
from quarterdeck.common.errors import NotFound
from quarterdeck.runtime.config import RuntimeSettings
from quarterdeck.runtime.operations.effects_view import list_effects
from quarterdeck.runtime.operations.forking import Forker
from quarterdeck.runtime.operations.retrying import Retrier
from quarterdeck.runtime.retaining import Retention, Rule, Tally, rule_of
from quarterdeck.runtime.store import archives, retention
from quarterdeck.runtime.store.journal import read_events
from quarterdeck.runtime.tables import JOURNAL
from quarterdeck.runtime.testing.harness import TENANT, Harness
from quarterdeck.runtime.testing.stubs import ToolFailure

LARGE = "x" * 100_000


class Shifted:
    """A clock that is ahead of the system's."""

    def __init__(self, ahead):
        self.ahead = ahead

    def now(self):
        return time.time() + self.ahead

    async def sleep(self, seconds):
        await asyncio.sleep(seconds)


def keeper(h, ahead=100.0, archive=50.0, remove=0.0, grace=0.0):
    rule = Rule(archive, remove, grace)
    return Retention(h.database, h.artifacts, Shifted(ahead), lambda _tenant: rule, 3600), rule


async def sweep(h, **more):
    found, rule = keeper(h, **more)
    return await found.sweep(TENANT.id, rule)


def tool(name, tool_name="echo", arguments=None, **more):
    return {"name": name, "tool": {"server": "s", "name": tool_name, "arguments": arguments or {}}, **more}


@pytest.fixture
async def world(tmp_path):
    broken = {"yes": True}

    async def echo(arguments):
        return arguments.get("v", "small")

    async def pick(arguments):
        if broken["yes"]:
            raise ToolFailure("no")
        return "picked"

    child = {"nodes": [tool("x", arguments={"v": "${input}"})]}
    nodes = [
        {"name": "m", "map": {"items": [1, 2], "workflow": "child"}, "next": "a"},
        tool("a", arguments={"v": "${input.v}"}, next="b"),
        tool("b", "pick"),
    ]
    wait = {"nodes": [{"name": "s", "wait": {"signal": {"name": "go"}}}]}
    specs = {"Workflow/w": {"nodes": nodes}, "Workflow/child": child, "Workflow/wait": wait}
    async with Harness(tmp_path, specs=specs, tools={"s/echo": echo, "s/pick": pick}) as h:
        h.broken = broken
        yield h


async def live_rows(h):
    """Returns how many events are in rows of the journal."""

    def count(connection):
        across_tenants(connection)
        return sum(len(row.type.split(",")) for row in connection.execute(JOURNAL.select()).all())

    return await h.database.read(count)


async def test_archived_runs_are_read_as_before(world):
    h = world
    run = await h.start("Workflow", "w", {"v": 1})
    await h.wait(run)
    waiting = await h.start("Workflow", "wait", None)
    await h.wait(waiting, "waiting")
    before = await h.journal(run)
    effects = await h.database.read(list_effects, TENANT.id, run, include_children=True)
    all_events = sum([len(await h.journal(one)) for one in await h.tree(run)])
    open_events = len(await h.journal(waiting))
    assert await sweep(h, ahead=10.0) == Tally()  # not old enough
    assert await keeper(h)[0].would(TENANT.id, keeper(h)[1]) == Tally(runs=3, events=all_events)
    tally = await sweep(h)
    assert (tally.runs, tally.events) == (3, all_events)
    assert await sweep(h) == Tally()
    assert await live_rows(h) == open_events  # the open run is left alone
    assert await h.journal(run) == before
    assert await h.database.read(list_effects, TENANT.id, run, include_children=True) == effects
    assert (await h.database.read(archives.origins, TENANT.id, [run, waiting])) == {run: "retention"}
    page = await h.database.read(read_events, TENANT.id, run, 3, 2)
    assert [entry.seq for entry in page] == [4, 5]
    assert await h.database.read(read_events, "another tenant", run, 0, 10) == []


async def test_archived_runs_are_forked_and_retried(world):
    h = world
    run = await h.start("Workflow", "w", {"v": 1})
    await h.wait(run)
    await sweep(h)
    h.broken["yes"] = False
    again = await Retrier(h.engine).retry(TENANT, run, "me", "", dry_run=False)
    assert await h.output(again.run_id) == "picked"
    stop = next(i for i, e in enumerate(await h.journal(run), 1) if e.type == "step.completed")
    fork = await Forker(h.engine).fork(TENANT, run, stop + 2, "", dry_run=False)
    assert await h.output(fork.run_id) == "picked"


async def test_a_tree_is_archived_when_its_root_has_ended(tmp_path):
    async def echo(arguments):
        return 1

    inner = {"nodes": [tool("x")]}
    nodes = [
        {"name": "c", "workflow": {"name": "inner", "input": {}}, "next": "s"},
        {"name": "s", "wait": {"signal": {"name": "go"}}},
    ]
    specs = {"Workflow/w": {"nodes": nodes}, "Workflow/inner": inner}
    async with Harness(tmp_path, specs=specs, tools={"s/echo": echo}) as h:
        run = await h.start("Workflow", "w", None)

        async def waits():
            return "signal" in (await h.row(run)).reason

        await h.until(waits)
        assert await sweep(h) == Tally()
        await h.signal(run, "go")
        await h.output(run)
        assert (await sweep(h)).runs == 2


async def test_pages(world, monkeypatch):
    h = world
    monkeypatch.setattr(archives, "PAGE", 3)
    monkeypatch.setattr(retention, "EVENTS_AT_ONCE", 4)
    monkeypatch.setattr(retention, "RUNS_AT_ONCE", 2)
    runs = [await h.start("Workflow", "w", {"v": n}) for n in range(3)]
    for run in runs:
        await h.wait(run)
    before = [await h.journal(run) for run in runs]
    assert (await sweep(h)).runs == 9
    assert [await h.journal(run) for run in runs] == before
    for after in range(len(before[0]) + 1):
        page = await h.database.read(read_events, TENANT.id, runs[0], after, 4)
        assert [entry.seq for entry in page] == list(range(after + 1, min(after + 4, len(before[0])) + 1))
    assert (await sweep(h, remove=60)).deleted_runs == 9
    assert await h.row(runs[0]) is None and await h.journal(runs[0]) == []


async def test_what_is_named_is_kept_and_what_is_not_is_collected(world):
    h = world
    given = codec.dumps({"v": LARGE})
    run = await h.start("Workflow", "w", {"$artifact": await h.artifacts.put(TENANT.id, given), "size": 1})
    await h.wait(run)
    large = set(await h.artifacts.older_than(TENANT.id, time.time() + 9))
    assert len(large) >= 2  # its input, and the arguments of a tool
    inner = await h.artifacts.put(TENANT.id, b'"the inside"')
    outer = await h.artifacts.put(TENANT.id, b'{"see": {"$artifact": "%s"}}' % inner.encode())
    waiting = await h.start("Workflow", "wait", {"$artifact": outer, "size": 1})
    await h.wait(waiting, "waiting")
    orphan = await h.artifacts.put(TENANT.id, b"nobody names me")
    other = await h.artifacts.put("another tenant", b"nobody names me")
    assert (await sweep(h, grace=150.0)).artifacts == 0  # within the grace
    assert (await sweep(h, grace=60.0)).artifacts == 1
    with pytest.raises(NotFound):
        await h.artifacts.get(TENANT.id, orphan)
    for kept in (*large, inner, outer):
        await h.artifacts.get(TENANT.id, kept)
    await h.artifacts.get("another tenant", other)
    assert (await sweep(h, grace=60.0, remove=60.0)).artifacts == len(large)  # with the run that named them
    for gone in large:
        with pytest.raises(NotFound):
            await h.artifacts.get(TENANT.id, gone)
    await h.artifacts.get(TENANT.id, inner)


async def test_what_is_put_again_is_as_good_as_new(tmp_path):
    from quarterdeck.common.artifacts import DirectoryArtifacts

    store = DirectoryArtifacts(tmp_path)
    digest = await store.put("t", b"data")
    path = next(tmp_path.glob("t/??/*"))
    os.utime(path, (1000, 1000))
    assert await store.older_than("t", 2000) == [digest]
    await store.put("t", b"data")
    assert await store.older_than("t", 2000) == []
    assert not await store.collect("t", digest, 2000) and await store.get("t", digest) == b"data"
    path.rename(path.with_name(path.name + ".collected"))  # a crash in the middle of it
    assert await store.older_than("t", 2000) == [] and await store.get("t", digest) == b"data"
    assert await store.collect("t", digest, time.time() + 9)
    assert not await store.collect("t", digest, time.time() + 9)


def test_a_tenant_says_how_long():
    settings = RuntimeSettings(archive_after=10, delete_after=20, artifact_grace=30)
    assert rule_of({}, settings) == Rule(10, 20, 30)
    assert rule_of({"retention": {"archiveAfter": "1h"}}, settings) == Rule(3600, 20, 30)
    assert rule_of({"retention": {"deleteAfter": "1d"}}, settings) == Rule(10, 86400, 30)
