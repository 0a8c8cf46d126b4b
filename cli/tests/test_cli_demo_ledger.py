"""The ledger of a completed run is kept, the next one begins fresh."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from quarterdeck.cli.demo.example import Example, find_example
from quarterdeck.cli.errors import CliError
from quarterdeck.cli.manifests import read_manifests

SERVER = """\
apiVersion: quarterdeck.dev/v1alpha1
kind: MCPServer
metadata: {name: ledger}
spec:
  local:
    command: [python, ledger.py]
    env: {LEDGER_PATH: ../../.quarterdeck/ledger.db, OTHER: x}
"""


@pytest.fixture
def example(tmp_path: Path) -> Example:
    folder = tmp_path / "examples" / "invoice-matching"
    (folder / "manifests").mkdir(parents=True)
    (folder / "input.json").write_text(json.dumps({"statement": "2025-01/statement.xml"}))
    (folder / "manifests" / "s.yaml").write_text(SERVER)
    data_dir = tmp_path / ".quarterdeck"
    data_dir.mkdir()
    return Example(folder, data_dir)


def test_rows_still_in_the_write_ahead_log_are_kept(example: Example) -> None:
    open_elsewhere = sqlite3.connect(example.ledger, isolation_level=None)
    open_elsewhere.execute("pragma journal_mode = wal")
    open_elsewhere.execute("create table bookings (n)")
    open_elsewhere.execute("insert into bookings values (7)")
    kept = example.put_ledger_away("run-1")
    assert kept == example.data_dir / "ledgers" / "run-1.db"
    assert not example.ledger.exists()
    assert not example.ledger.with_name("ledger.db-wal").exists()
    assert sqlite3.connect(kept).execute("select n from bookings").fetchall() == [(7,)]
    open_elsewhere.close()


def test_an_older_ledger_is_never_overwritten(example: Example) -> None:
    for _ in range(2):
        sqlite3.connect(example.ledger).execute("create table t (n)").connection.close()
        assert example.put_ledger_away("run-1") is not None
    assert sorted(path.name for path in (example.data_dir / "ledgers").iterdir()) == [
        "run-1-2.db",
        "run-1.db",
    ]
    assert example.put_ledger_away("run-1") is None


def test_the_ledger_stands_in_the_data_directory(example: Example, tmp_path: Path) -> None:
    (manifest,) = read_manifests([str(example.manifests)])
    assert example.with_ledger(manifest) is manifest
    elsewhere = Example(example.folder, tmp_path / "elsewhere")
    env = elsewhere.with_ledger(manifest).data["spec"]["local"]["env"]
    assert env == {"LEDGER_PATH": str(tmp_path / "elsewhere" / "ledger.db"), "OTHER": "x"}


def test_the_key_belongs_to_the_month_of_the_statement(example: Example) -> None:
    assert example.answer_key() is None
    key = example.folder / "data" / "2025-01" / "answer-key.json"
    key.parent.mkdir(parents=True)
    key.write_text("{}")
    assert example.answer_key() == key


def test_a_folder_without_the_example_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CliError, match="the example is not in"):
        find_example(tmp_path, tmp_path)
