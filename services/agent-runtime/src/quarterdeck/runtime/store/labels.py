"""The index of labels: by it runs are found, roots and children alike."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, insert

from quarterdeck.common import codec
from quarterdeck.common.database import within
from quarterdeck.runtime.tables import RUN_LABELS


def index_labels(connection: Connection, rows: Iterable[Mapping[str, Any]]) -> None:
    """Indexes the labels of new runs, all in one statement.

    Args:
        rows: column values of `runs`; labels as JSON. The items of a map all have those of their parent.
    """
    read: dict[bytes, Mapping[str, str]] = {}
    found = []
    for row in rows:
        if row["labels"] not in read:
            read[row["labels"]] = codec.loads(row["labels"])
        run = {"tenant_id": row["tenant_id"], "run_id": row["run_id"]}
        found += [{**run, "name": name, "value": value} for name, value in read[row["labels"]].items()]
    if found:
        within(connection, found[0]["tenant_id"])
        connection.execute(insert(RUN_LABELS), found)
