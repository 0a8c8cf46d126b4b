"""Prepared statements do what SQLAlchemy's own execution does."""

import pytest
from sqlalchemy import (
    Column,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    bindparam,
    create_engine,
    delete,
    insert,
    select,
    text,
    update,
)

from quarterdeck.common.prepared import Prepared

METADATA = MetaData()
THINGS = Table(
    "things",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("name", String, nullable=False),
    Column("state", String, nullable=False, default="new"),
    Column("data", LargeBinary, nullable=False, default=b""),
    Column("ended", Integer),
)
NAMES = [column.name for column in THINGS.c]


@pytest.fixture
def connection():
    engine = create_engine("sqlite://")
    with engine.connect() as connection:
        METADATA.create_all(connection)
        yield connection
    engine.dispose()


def everything(connection):
    return [tuple(row) for row in connection.execute(select(THINGS).order_by(THINGS.c.id))]


def test_insert_fills_in_defaults(connection):
    prepared = Prepared(insert(THINGS), NAMES)
    prepared(connection, {"id": 1, "name": "a"})
    prepared.many(connection, [{"id": 2, "name": "b", "state": "old"}, {"id": 3, "name": "c", "data": b"x"}])
    expected = [(1, "a", "new", b"", None), (2, "b", "old", b"", None), (3, "c", "new", b"x", None)]
    assert everything(connection) == expected


def test_update_counts_and_keeps_its_constants(connection):
    Prepared(insert(THINGS), NAMES).many(connection, [{"id": n, "name": "a"} for n in range(3)])
    close = update(THINGS).where(THINGS.c.id == bindparam("b_id"), THINGS.c.state == "new")
    prepared = Prepared(close.values(state="closed", ended=THINGS.c.id + bindparam("b_more")))
    assert prepared(connection, {"b_id": 2, "b_more": 5}) == 1
    assert prepared(connection, {"b_id": 2, "b_more": 5}) == 0
    assert everything(connection)[2] == (2, "a", "closed", b"", 7)


def test_update_of_named_columns(connection):
    Prepared(insert(THINGS), NAMES)(connection, {"id": 1, "name": "a"})
    prepared = Prepared(update(THINGS).where(THINGS.c.id == bindparam("b_id")), ["name", "ended"])
    assert prepared(connection, {"b_id": 1, "name": "z", "ended": None}) == 1
    assert everything(connection) == [(1, "z", "new", b"", None)]


def test_rows_and_delete(connection):
    Prepared(insert(THINGS), NAMES).many(connection, [{"id": n, "name": f"n{n}"} for n in range(5)])
    query = select(THINGS.c.id, THINGS.c.name).where(THINGS.c.id > bindparam("b_after"))
    page = Prepared(query.order_by(THINGS.c.id).limit(bindparam("b_limit")))
    assert page.rows(connection, {"b_after": 1, "b_limit": 2}) == [(2, "n2"), (3, "n3")]
    assert Prepared(delete(THINGS).where(THINGS.c.id == bindparam("b_id")))(connection, {"b_id": 4}) == 1
    assert page.rows(connection, {"b_after": 3, "b_limit": 9}) == []


def test_missing_parameter_is_an_error_and_not_null(connection):
    with pytest.raises(KeyError, match="name"):
        Prepared(insert(THINGS), NAMES)(connection, {"id": 1})
    prepared = Prepared(update(THINGS).where(THINGS.c.id == bindparam("b_id")).values(state="x"))
    with pytest.raises(KeyError, match="b_id"):
        prepared(connection, {})


def test_records_have_the_names_of_the_columns(connection):
    Prepared(insert(THINGS), NAMES).many(connection, [{"id": n, "name": f"n{n}"} for n in range(3)])
    query = Prepared(
        select(THINGS, (THINGS.c.id + 1).label("next")).where(THINGS.c.id >= bindparam("b_from"))
    )
    records = query.records(connection, {"b_from": 1})
    assert [(one.id, one.name, one.state, one.next) for one in records] == [
        (1, "n1", "new", 2),
        (2, "n2", "new", 3),
    ]
    assert query.record(connection, {"b_from": 2}).name == "n2"
    assert query.record(connection, {"b_from": 3}) is None


def test_first_row_and_scalar_also_of_text_and_of_what_a_change_returns(connection):
    Prepared(insert(THINGS), NAMES).many(connection, [{"id": n, "name": f"n{n}"} for n in range(3)])
    newest = Prepared(text("SELECT id, name FROM things WHERE id < :below ORDER BY id DESC"))
    assert newest.first(connection, {"below": 2}) == (1, "n1")
    assert newest.first(connection, {"below": 0}) is None
    assert newest.scalar(connection, {"below": 9}) == 2
    gone = Prepared(delete(THINGS).where(THINGS.c.id > bindparam("b_above")).returning(THINGS.c.id))
    assert sorted(gone.rows(connection, {"b_above": 0})) == [(1,), (2,)]


def test_a_list_of_values_as_one_parameter_is_refused(connection):
    with pytest.raises(AssertionError, match="give each its own"):
        Prepared(select(THINGS).where(THINGS.c.id.in_([1, 2]))).rows(connection, {})
