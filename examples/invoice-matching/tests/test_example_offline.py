"""Rules and tools over whole months, without the platform and without a key."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from random import SystemRandom
from typing import Any

import pytest
from offline import Offline
from servers.database import Ledger

PRECISE, FOUND = 0.99, 0.80
KEYS = ("ANTHROPIC_API_KEY", "OPENAI_API_KEY")


def run(example: Path, *arguments: str) -> str:
    """Runs one of the example's programs in its folder with every key absent; gives what it printed."""
    env = {name: value for name, value in os.environ.items() if name not in KEYS}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=example, env=env, capture_output=True, text=True, check=False
    )
    assert done.stdout, done.stderr
    return done.stdout


def figures(example: Path, month: Path) -> dict[str, Any]:
    return dict(json.loads(run(example, "offline.py", str(month), "--json")))


def test_the_committed_month_reaches_the_aim(example: Path, committed: Path) -> None:
    result = figures(example, committed)
    assert result["wrong"] == []
    assert result["precision"] >= PRECISE
    assert result["recall"] >= FOUND
    assert result["automatic"] > 130
    assert result["waiting"] > 10


@pytest.mark.parametrize("draw", range(5))
def test_a_month_drawn_now_reaches_the_aim(example: Path, tmp_path: Path, draw: int) -> None:
    seed = SystemRandom().randrange(10**9)
    month = f"2025-{seed % 12 + 1:02d}"
    run(example, "-m", "generate", "--seed", str(seed), "--month", month, "--out", str(tmp_path))
    result = figures(example, tmp_path)
    assert result["transactions"] >= 200
    assert result["precision"] >= PRECISE, f"seed {seed}, {month}: {result['wrong']}"
    assert result["recall"] >= FOUND, f"seed {seed}, {month}"


async def test_every_field_of_every_invoice_is_read_in_two_turns(committed: Path, tmp_path: Path) -> None:
    offline = Offline(committed, tmp_path / "l.db")
    truth = json.loads((committed / "answer-key.json").read_text())["invoices"]
    value = {"path": "invoices/invoice-001.pdf", "company": "Fietsatelier Noordkaai BV"}
    answer, turns = await offline.ask("invoice-extractor", ["read_text"], value)
    assert answer["readable"] and turns == 2
    for answer in await offline.extract():
        right = truth[Path(answer["path"]).name]
        read = {
            "vendor": answer["vendor_name"],
            **{k: answer[k] for k in ("number", "date", "total", "currency")},
        }
        assert read == {key: right[key] for key in read}, answer["path"]


async def test_a_match_takes_three_turns(committed: Path, tmp_path: Path) -> None:
    offline = Offline(committed, tmp_path / "l.db")
    await offline.call("import_statement", path="statement.xml")
    await offline.extract()
    turns = []
    for transaction in (await offline.call("list_unmatched"))["transactions"][:30]:
        value = {"transaction": transaction, "memory": []}
        turns.append((await offline.ask("invoice-matcher", ["find_invoices", "score_candidates"], value))[1])
    assert set(turns) <= {2, 3}


async def test_matching_in_another_order_with_other_memories_decides_the_same(
    committed: Path, tmp_path: Path
) -> None:
    offline = Offline(committed, tmp_path / "l.db")
    await offline.call("import_statement", path="statement.xml")
    await offline.extract()
    transactions = (await offline.call("list_unmatched"))["transactions"]
    ids = [row["id"] for row in Ledger(tmp_path / "l.db").connection.execute("select id from invoices")]

    async def decide(transaction: dict[str, Any], memory: list[int]) -> Any:
        hits = [{"payload": {"invoice_id": identity}} for identity in memory]
        value = {"transaction": transaction, "memory": hits}
        return (await offline.ask("invoice-matcher", ["find_invoices", "score_candidates"], value))[0]

    plain = {t["id"]: await decide(t, []) for t in transactions}
    for position, transaction in enumerate(reversed(transactions)):
        answer = await decide(transaction, ids[position % 90 :: 19][:10])
        certain = answer["matched"] and answer["confidence"] >= 0.9
        expected = plain[transaction["id"]]
        assert certain == (expected["matched"] and expected["confidence"] >= 0.9)
        if certain:
            assert answer["invoices"] == expected["invoices"]
            await offline.call(
                "book", transaction=transaction["id"], invoices=answer["invoices"], amount=answer["amount"]
            )


async def test_an_unreadable_file_is_reported_and_the_others_are_saved(
    committed: Path, tmp_path: Path
) -> None:
    (tmp_path / "invoices").mkdir()
    (tmp_path / "invoices" / "a.pdf").write_bytes(b"broken")
    whole = (committed / "invoices" / "invoice-002.pdf").read_bytes()
    (tmp_path / "invoices" / "b.pdf").write_bytes(whole)
    offline = Offline(tmp_path, tmp_path / "l.db")
    broken, good = await offline.extract()
    assert (broken["readable"], good["readable"]) == (False, True)
    assert "a.pdf" in broken["problem"]
    assert (await offline.call("summary"))["invoices"] == 1


def test_neither_tools_nor_rules_know_the_answer_key(example: Path) -> None:
    sources = [
        *(example / "servers").glob("*.py"),
        example / "playbook.yaml",
        *(example / "manifests").glob("*.yaml"),
    ]
    assert len(sources) > 15
    assert not [
        path.name for path in sources if "answer" in path.read_text() and "answer-key" in path.read_text()
    ]
    names = [name for name, _, _ in __import__("generate.names", fromlist=["VENDORS"]).VENDORS]
    assert not [name for name in names if name in (example / "playbook.yaml").read_text()]
