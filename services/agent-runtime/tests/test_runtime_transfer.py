"""A run goes to another platform as a file: whole, readable, forkable; what was edited is refused."""

import gzip
import hashlib
import json

import pytest
from sqlalchemy import delete

from quarterdeck.common import artifacts, codec
from quarterdeck.common.constants import INLINE_BYTES
from quarterdeck.common.database import across_tenants
from quarterdeck.common.errors import FailedPrecondition, InvalidArgument, NotFound
from quarterdeck.common.identity import Principal
from quarterdeck.common.tenants import TenantId
from quarterdeck.runtime.operations.effects_view import list_effects
from quarterdeck.runtime.operations.forking import Forker
from quarterdeck.runtime.operations.retrying import Retrier
from quarterdeck.runtime.store import archives, definitions, runs, trees
from quarterdeck.runtime.store.journal import read_events
from quarterdeck.runtime.store.runs import LabelTest, RunFilter
from quarterdeck.runtime.tables import ARCHIVES, DEFINITIONS, RUN_LABELS, RUNS
from quarterdeck.runtime.testing.harness import PRINCIPAL, TENANT, Harness
from quarterdeck.runtime.testing.stubs import ToolFailure
from quarterdeck.runtime.transfer import chain, exporting, importing, parcel
from quarterdeck.runtime.transfer.exporting import Exporter
from quarterdeck.runtime.transfer.importing import Importer

THERE = TenantId("elsewhere", "00000000-0000-7000-8000-00000000000b")
SOMEBODY = Principal("test:somebody", ("readers",))
LARGE = "x" * 3_000_000


def tool(name, tool_name="echo", arguments=None, **more):
    return {"name": name, "tool": {"server": "s", "name": tool_name, "arguments": arguments or {}}, **more}


CHILD = {"nodes": [tool("x", arguments={"v": "${input}"})]}
NODES = [
    {
        "name": "m",
        "map": {"items": "${[1, 2]}", "workflow": "child", "input": "${item}"},
        "next": [{"to": "one"}],
    },
    {"name": "one", "workflow": {"name": "child", "input": "${input.v}"}, "next": [{"to": "b"}]},
    tool("b", "pick", {"v": "${input.v}"}, next=[{"to": "each"}]),
    {
        "name": "each",
        "map": {"items": "${[1]}", "tool": {"server": "s", "name": "echo", "arguments": {"v": "${item}"}}},
    },
]
SPECS = {
    "Workflow/w": {"nodes": NODES},
    "Workflow/child": CHILD,
    "Workflow/wait": {"nodes": [{"name": "s", "wait": {"signal": {"name": "go"}}}]},
}


def platform(folder, broken):
    async def echo(arguments):
        return arguments.get("v", "small")

    async def pick(arguments):
        if broken["yes"]:
            raise ToolFailure("no")
        return "picked"

    folder.mkdir()
    return Harness(folder, specs=SPECS, tools={"s/echo": echo, "s/pick": pick})


def erase(connection, table, *where):
    across_tenants(connection)
    connection.execute(delete(table).where(*where))


@pytest.fixture
async def here(tmp_path):
    broken = {"yes": False}
    async with platform(tmp_path / "here", broken) as h:
        h.broken = broken
        yield h


@pytest.fixture
async def there(tmp_path):
    async with platform(tmp_path / "there", {"yes": False}) as h:
        await h.database.write(erase, DEFINITIONS)  # it has only what files bring
        yield h


async def exported(h, run_id, tenant=TENANT):
    return b"".join([piece async for piece in Exporter(h.engine, tenant).export(run_id)])


async def brought(h, data):
    return await Importer(h.engine, THERE, SOMEBODY).bring(data)


async def row_of(h, run_id):
    return await h.database.read(runs.get_run, THERE.id, run_id)


async def journal_of(h, tenant, run_id):
    return [entry.event() for entry in await h.database.read(read_events, tenant.id, run_id, 0, 10_000)]


async def ended(h, run_id):
    async def over():
        row = await row_of(h, run_id)
        return row if row.finished_at is not None else None

    return await h.until(over)


async def done(h, value=1):
    stored = await artifacts.externalise(h.artifacts, TENANT.id, {"v": value}, INLINE_BYTES)
    run = await h.start("Workflow", "w", stored, labels={"team": "books"}, key="k-1")
    row = await h.wait(run)
    assert row.state == ("failed" if h.broken["yes"] else "succeeded"), row.error
    return run


def entries_of(data):
    return [json.loads(line)["entry"] for line in gzip.decompress(data).splitlines()]


async def tree_of(h, run_id):
    """The ids of a run and of all below it, in the order of a file."""
    below = await h.database.read(trees.descendants, TENANT.id, run_id)
    rows = [await h.row(one) for one in [run_id, *below]]
    return [row.run_id for row in sorted(rows, key=lambda row: (row.depth, row.run_id))]


def chained(entries):
    """A file whose chain is right, whatever its entries say."""
    link, lines = "", []
    for entry in entries:
        text = json.dumps(entry, separators=(",", ":"))
        link = hashlib.sha256((link + text).encode()).hexdigest()
        lines.append(f'{{"sha256":"{link}","entry":{text}}}\n')
    return "".join(lines).encode()


async def test_a_run_is_the_same_elsewhere(here, there):
    run = await done(here, LARGE)
    data = await exported(here, run)
    tree = await tree_of(here, run)
    assert len(tree) == 5
    found = await brought(there, data)
    events = sum([len(await here.journal(one)) for one in tree])
    assert (found.runs, found.events, found.original) == (5, events, run)
    assert found.artifacts >= 1
    copies = sorted([found.run_id, *await there.database.read(trees.descendants, THERE.id, found.run_id)])
    names = dict(zip(tree, copies, strict=True))
    assert not set(tree) & set(copies)
    for old, new in names.items():
        was, now = await here.row(old), await row_of(there, new)
        for column in ("kind", "name", "state", "input", "output", "error", "labels", "run_key", "depth"):
            assert getattr(now, column) == getattr(was, column), column
        for column in ("parent_step", "item_index", "created_at", "started_at", "finished_at", "last_seq"):
            assert getattr(now, column) == getattr(was, column), column
        assert now.parent_run_id == names.get(was.parent_run_id, "")
        before = codec.dumps([(e.type, e.data, e.at) for e in await here.journal(old)]).decode()
        after = codec.dumps([(e.type, e.data, e.at) for e in await journal_of(there, THERE, new)]).decode()
        links = [name for name in names if name in before]
        for link in links:
            if run in (old, link):  # where an event names a run, it names the copy
                before = before.replace(f'"run":"{link}"', f'"run":"{names[link]}"')
                before = before.replace(f'"parent":"{link}"', f'"parent":"{names[link]}"')
        assert after == before
    assert set((await there.database.read(archives.origins, THERE.id, copies)).values()) == {"import"}
    effects = await there.database.read(list_effects, THERE.id, found.run_id, include_children=True)
    assert len(effects) == 5 and {effect.state for effect in effects} == {"done"}
    wanted = RunFilter(labels=[LabelTest("team", ["books"])], roots_only=True)
    listed = await there.database.read(runs.list_runs, THERE.id, wanted, limit=9, after="", newest_first=True)
    assert [row.run_id for row in listed] == [found.run_id]
    assert await there.database.read(runs.get_run, TENANT.id, found.run_id) is None
    for digest in {e["digest"] for e in entries_of(data) if e["type"] == "artifact"}:
        assert await there.artifacts.get(THERE.id, digest) == await here.artifacts.get(TENANT.id, digest)
        with pytest.raises(NotFound):
            await there.artifacts.get(TENANT.id, digest)


async def test_an_imported_run_is_forked_by_whoever_imported_it(here, there):
    run = await done(here)
    found = await brought(there, await exported(here, run))
    journal = await journal_of(there, THERE, found.run_id)
    stop = next(i for i, e in enumerate(journal, 1) if e.type == "step.completed" and e.data["step"] == "one")
    fork = await Forker(there.engine).fork(THERE, found.run_id, stop + 1, "", dry_run=False)
    row = await ended(there, fork.run_id)
    assert row.state == "succeeded" and codec.loads(row.principal)["subject"] == SOMEBODY.subject
    assert row.forked_from.startswith(f"{found.run_id}@")


async def test_a_failed_run_is_retried_elsewhere(here, there):
    here.broken["yes"] = True
    run = await done(here)
    assert (await here.row(run)).state == "failed"
    found = await brought(there, await exported(here, run))
    again = await Retrier(there.engine).retry(THERE, found.run_id, "me", "", dry_run=False)
    assert (await ended(there, again.run_id)).state == "succeeded"


async def test_a_run_below_another_is_a_root_elsewhere(here, there):
    run = await done(here)
    child = (await here.tree(run))[1]
    found = await brought(there, await exported(here, child))
    row = await row_of(there, found.run_id)
    assert (row.parent_run_id, row.parent_step, row.depth, row.root_run_id) == ("", "", 0, found.run_id)


async def test_an_archived_and_an_imported_run_are_exported_again(here, there):
    run = await done(here)
    before = entries_of(await exported(here, run))
    events = [entry for entry in before if entry["type"] == "event"]
    for one in await here.tree(run):
        await here.database.write(archives.archive, TENANT.id, one, 1.0)
    assert entries_of(await exported(here, run))[1:] == before[1:]
    found = await brought(there, await exported(here, run))
    after = entries_of(await exported(there, found.run_id, THERE))
    assert len([entry for entry in after if entry["type"] == "event"]) == len(events)


async def test_an_open_run_is_over_where_it_is_imported(here, there):
    run = await here.start("Workflow", "wait", None)
    await here.wait(run, "waiting")
    found = await brought(there, await exported(here, run))
    row = await row_of(there, found.run_id)
    assert (row.state, row.reason) == ("cancelled", "it was waiting when it was exported")
    assert row.finished_at is not None and row.current_seq == (await here.row(run)).current_seq
    fork = await Forker(there.engine).fork(THERE, found.run_id, row.current_seq + 1, "", dry_run=False)
    await there.until(lambda: _waits(there, fork.run_id))
    await here.signal(run, "go")
    assert (await here.wait(run)).state == "succeeded"  # the export has not touched it


async def _waits(h, run_id):
    return (await row_of(h, run_id)).state == "waiting"


async def test_the_same_file_is_the_same_run(here, there, monkeypatch):
    monkeypatch.setattr(importing, "RUNS_AT_ONCE", 2)
    monkeypatch.setattr(exporting, "EVENTS_PAGE", 3)
    run = await done(here)
    data = await exported(here, run)
    first = await brought(there, data)
    assert await brought(there, data) == first
    for table in (RUNS, RUN_LABELS, ARCHIVES):  # as if it had broken off
        await there.database.write(erase, table, table.c.run_id == first.run_id)
    assert await brought(there, data) == first
    assert len(await journal_of(there, THERE, first.run_id)) == len(await here.journal(run))
    assert (await brought(here, data)).run_id == first.run_id  # it follows from the file and the tenant
    assert (await here.row(run)).state == "succeeded"


async def test_what_was_edited_is_refused(here, there):
    data = await exported(here, await done(here))
    text = gzip.decompress(data)
    lines = text.splitlines(keepends=True)
    event = next(i for i, line in enumerate(lines) if b"step.completed" in line)
    assert (await brought(there, text)).runs == 5  # unpacked, it is the same
    edits = {
        "digests do not match": [
            text.replace(b"picked", b"packed"),
            b"".join(lines[:event] + lines[event + 1 :]),
            b"".join([*lines[:event], lines[event + 1], lines[event], *lines[event + 2 :]]),
            b"".join(lines + lines[-1:]),
        ],
        "cut short": [text[:-1], b"".join(lines[:-1]), data[:-20], data + b"more", gzip.compress(text[:-9])],
        "not a line": [b"{}\n", text.replace(b'{"sha256"', b'{ "sha256"', 1), b"\n" + text],
        "does not begin": [b""],
        "cannot be unpacked": [data[:30] + b"\x00" * 30 + data[60:]],
    }
    for reason, files in edits.items():
        for file in files:
            assert file not in (text, data)
            with pytest.raises(InvalidArgument, match=reason):
                await brought(there, file)


async def test_what_does_not_hold_together_is_refused(here, there):
    entries = entries_of(await exported(here, await done(here, LARGE)))

    def changed(type, number=0, **fields):
        copy = [dict(entry) for entry in entries]
        [entry for entry in copy if entry["type"] == type][number].update(fields)
        return copy

    def without(type):
        gone = next(i for i, entry in enumerate(entries) if entry["type"] == type)
        return entries[:gone] + entries[gone + 1 :]

    assert (await brought(there, chained(entries))).runs == 5
    cases = [
        ("does not begin", entries[1:]),
        ("begins twice", [*entries[:1], *entries]),
        ("which the file has not", without("definition")),
        ("a closure that the file has not", without("closure")),
        ("does not belong", without("run")),
        ("does not belong", without("event")),
        ("does not belong", changed("run", 1, parent="nobody")),
        ("does not belong", changed("event", 3, seq=9)),
        ("events; the file has", changed("run", 0, lastSeq=3)),
        ("cannot be read", changed("event", 0, data={})),
        ("cannot be read", changed("run", 0, depth=2**40)),
        ("cannot be read", changed("run", 0, createdAt=1e30)),
        ("cannot be read", changed("event", 0, more=1)),
        ("value of a label", changed("run", 0, labels={"x": "y" * 10_000})),
        ("part of artifact", without("artifact")),
        ("not what its digest says", changed("artifact", -1, data="AAAA")),
        ("cut short", changed("end", 0, events=1)),
        ("something follows", [*entries, entries[1]]),
        ("is refused", changed("definition", 0, spec={"nodes": []})),
        ("is refused", changed("definition", 0, spec={"nodes": [{"name": "x", "tool": {}, "next": []}]})),
    ]
    for reason, found in cases:
        with pytest.raises(InvalidArgument, match=reason):
            await brought(there, chained(found))
    for newer in (changed("export", 0, reducer=99), changed("export", 0, format="quarterdeck.dev/run/v9")):
        with pytest.raises(FailedPrecondition, match="this release reads"):
            await brought(there, chained(newer))
    with pytest.raises(FailedPrecondition, match="is not an event"):
        await brought(there, chained(changed("event", 2, event="run.flew")))


async def test_a_file_has_bounds(here, there, monkeypatch):
    with pytest.raises(InvalidArgument, match="longer than"):
        await brought(there, gzip.compress(b"x" * (chain.LONGEST_LINE + 10**6)))
    run = await done(here)
    data = await exported(here, run)
    with monkeypatch.context() as patch:
        patch.setattr(chain, "MOST_BYTES", 1000)
        with pytest.raises(InvalidArgument, match="holds more than 1000 bytes"):
            await brought(there, data)
    monkeypatch.setattr(parcel, "MOST_RUNS", 4)
    with pytest.raises(InvalidArgument, match="more than 4 runs"):
        await brought(there, data)
    monkeypatch.setattr(exporting, "MOST_RUNS", 3)
    with pytest.raises(FailedPrecondition, match="more than 3 runs"):
        await exported(here, run)
    with pytest.raises(NotFound):
        await exported(here, run, THERE)


async def test_a_file_cannot_speak_for_the_registry(here):
    """A definition under the name of a real revision changes nothing for those who start that revision."""
    entries = entries_of(await exported(here, await done(here)))
    changed = next(e for e in entries if e["type"] == "definition" and e["name"] == "child")
    changed["spec"] = {"nodes": [{"name": "x", "transform": {"output": "forged"}}]}
    found = await brought(here, chained(entries))
    spec = await here.database.read(definitions.read_spec, TENANT.id, changed["revision"])
    assert spec == CHILD
    assert await here.database.read(definitions.read_spec, THERE.id, changed["revision"]) is None
    assert await here.database.read(definitions.latest_closure, THERE.id, "Workflow", "w") is None
    assert "@import-" in (await row_of(here, found.run_id)).revision


async def test_a_file_holds_no_credentials(here):
    entries = entries_of(await exported(here, await done(here)))
    kinds = {entry["kind"] for entry in entries if entry["type"] == "definition"}
    assert kinds == {"Workflow"}
    roots = [entry for entry in entries if entry["type"] == "run"]
    assert {run["principal"] for run in roots} == {PRINCIPAL.subject}
    assert TENANT.id not in json.dumps(entries)
