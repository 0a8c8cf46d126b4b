"""The store alone: history, routes, migrations."""

import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory
from hypothesis import given
from hypothesis import strategies as st
from registry_support import agent
from sqlalchemy import create_engine, inspect, select

from quarterdeck.common.clock import rfc3339
from quarterdeck.registry import bootstrap, conditions, history, manifests, migrations, revisions, store
from quarterdeck.registry.conditions import Condition
from quarterdeck.registry.decisions import Precondition
from quarterdeck.registry.records import Key
from quarterdeck.registry.routes import Route, overlap
from quarterdeck.registry.tables import CHANGES, METADATA, TENANTS


def apply(connection, scope, name, now=2.0, **spec):
    return store.apply(connection, scope, manifests.of_object(agent(name, **spec)), Precondition(), now)


def test_versions_have_no_gaps(connection, scope):
    versions = []
    for number in range(5):
        versions += [change.version for change in apply(connection, scope, f"a{number}").changes]
    apply(connection, scope, "a0")  # changes nothing
    versions += [c.version for c in apply(connection, scope, "a0", description="x").changes]
    assert versions == list(range(2, 8))
    assert history.bounds(connection) == history.Bounds(0, 7)


def test_history_is_bounded_by_number_and_age(connection, scope):
    for number in range(10):
        apply(connection, scope, f"a{number}", now=100.0 + number)
    assert len(history.after(connection, 0, 100)) == 11
    assert history.trim(connection, 1000, 0.0) == 0
    assert history.trim(connection, 5, 0.0) == 6
    assert history.after(connection, 5, 100) is None
    assert [change.version for change in history.after(connection, 6, 100)] == [7, 8, 9, 10, 11]
    assert history.trim(connection, 5, 108.5) == 4
    assert [change.version for change in history.after(connection, 10, 100)] == [11]
    assert history.after(connection, 11, 100) == []
    assert history.after(connection, 12, 100) is None
    assert history.trim(connection, 1, 1000.0) == 1
    assert connection.execute(select(CHANGES)).all() == []
    assert history.after(connection, 11, 100) == []


def test_a_row_reads_back_as_it_was_written(connection, scope):
    written = apply(connection, scope, "a").row
    again = apply(connection, scope, "a").row
    assert again == written
    found = revisions.find(connection, scope.tenant_id, written.revision)
    assert found.spec_json == written.spec_json and found.spec_hash == written.spec_hash


def test_conclusions_from_another_generation_are_dropped(connection, scope):
    row = apply(connection, scope, "a").row
    ready = [Condition("Ready", "True", "Ready")]
    seen = store.Seen(row.uid, row.generation)
    key = Key(scope.tenant_id, "Agent", "a")
    assert store.set_conditions(connection, scope, key, seen, ready, {}, now=3.0).changes
    assert not store.set_conditions(connection, scope, key, seen, ready, {}, now=4.0).changes
    apply(connection, scope, "a", description="x")
    assert store.set_conditions(connection, scope, key, seen, ready, {}, now=5.0) is None
    store.delete(connection, scope, key, Precondition(), 6.0)
    assert store.set_conditions(connection, scope, key, seen, ready, {}, now=7.0) is None


def test_first_start_happens_once(connection):
    assert not bootstrap.first_start(connection, 2.0)
    assert len(connection.execute(select(TENANTS)).all()) == 1


@given(
    statuses=st.lists(st.sampled_from(["True", "False", "Unknown"]), min_size=1, max_size=20),
    reasons=st.lists(st.sampled_from(["A", "B"]), min_size=20, max_size=20),
)
def test_transition_times_follow_transitions(statuses, reasons):
    present, expected, last = [], "", None
    for moment, (status, reason) in enumerate(zip(statuses, reasons, strict=False)):
        now = rfc3339(float(moment))
        present = conditions.merged(present, [Condition("Ready", status, reason)], moment, now)
        expected = now if status != last else expected
        last = status
        assert present[0]["lastTransitionTime"] == expected
        assert (present[0]["status"], present[0]["reason"]) == (status, reason)
        assert present[0]["observedGeneration"] == moment


def test_long_lists_of_problems_are_bounded():
    problems = [conditions.Problem(f"spec.nodes[{n}]", "x" * 300) for n in range(1000)]
    message = conditions.listed(problems)
    assert len(message) <= 4096 and message.startswith("spec.nodes[0]: x")
    assert conditions.listed([conditions.Problem(f"p{n}", "m") for n in range(25)]).endswith("and 5 more")


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("/a/{id}", "/a/{x}", True),
        ("/a/{id}", "/a/b", True),
        ("/a/{id}/c", "/a/b/{d}", True),
        ("/a", "/b", False),
        ("/a", "/a/b", False),
        ("/a/{id}/x", "/a/{id}/y", False),
    ],
)
def test_routes_overlap(one, other, expected):
    assert overlap(Route("POST", one, ""), Route("POST", other, "")) is expected
    assert not overlap(Route("POST", one, ""), Route("GET", other, ""))


def _shape(connection):
    found = inspect(connection)
    names = [name for name in found.get_table_names() if name != "alembic_version"]
    return {
        name: (
            [(c["name"], str(c["type"]), c["nullable"], c["primary_key"]) for c in found.get_columns(name)],
            sorted((i["name"], tuple(i["column_names"]), i["unique"]) for i in found.get_indexes(name)),
            sorted(tuple(u["column_names"]) for u in found.get_unique_constraints(name)),
        )
        for name in sorted(names)
    }


def test_migrations_end_where_the_tables_are():
    ours, theirs = create_engine("sqlite://"), create_engine("sqlite://")
    script = ScriptDirectory(str(next(iter(migrations.__path__))))
    assert script.get_current_head() == migrations.HEAD
    with ours.begin() as connection, theirs.begin() as migrated:
        METADATA.create_all(connection)
        with Operations.context(MigrationContext.configure(migrated)):
            for revision in reversed(list(script.walk_revisions())):
                revision.module.upgrade()
        assert _shape(connection) == _shape(migrated)
    ours.dispose()
    theirs.dispose()
