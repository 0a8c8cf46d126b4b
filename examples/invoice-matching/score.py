"""Compares a ledger with the answer key and prints how well the month was matched.

    python score.py --ledger .quarterdeck/ledger.db --key data/2025-01/answer-key.json

Every booking that stands and that no person approved counts as an automatic match.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

APPROVED = "approved by "


@dataclass(frozen=True)
class KindScore:
    """Counts for one kind of case."""

    transactions: int = 0
    one_right: int = 0
    automatic: int = 0
    correct: int = 0
    found: int = 0
    waiting: int = 0


@dataclass(frozen=True)
class Score:
    """The result. ``wrong`` lists automatic matches that differ from the key: (entry, booked, right)."""

    kinds: Mapping[str, KindScore]
    wrong: list[tuple[str, list[str], list[str]]] = field(default_factory=list)

    def total(self, name: str) -> int:
        """The sum of one count over all kinds."""
        return sum(getattr(kind, name) for kind in self.kinds.values())

    @property
    def precision(self) -> float:
        """Correct automatic matches of all automatic matches, 0 to 1; 1 without any."""
        automatic = self.total("automatic")
        return self.total("correct") / automatic if automatic else 1.0

    @property
    def recall(self) -> float:
        """Of the transactions with exactly one right invoice, the share matched automatically and rightly."""
        return self.total("found") / (self.total("one_right") or 1)

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        names = ("transactions", "one_right", "automatic", "correct", "found", "waiting")
        return {
            "precision": self.precision,
            "recall": self.recall,
            "wrong": self.wrong,
            **{name: self.total(name) for name in names},
        }


def score(ledger: Path, key_file: Path) -> Score:
    """Scores the ledger at a path against an answer key."""
    key = json.loads(key_file.read_text(encoding="utf-8"))
    connection = sqlite3.connect(f"file:{ledger}?mode=ro", uri=True)
    try:
        return compare(key, automatic_matches(connection), waiting_transactions(connection))
    finally:
        connection.close()


def automatic_matches(connection: sqlite3.Connection) -> dict[str, list[str]]:
    """Files booked without a person, by entry reference; a file stands as often as it was booked."""
    rows = connection.execute(
        "select t.entry_ref, i.file from bookings b join transactions t on t.id = b.transaction_id"
        " join booking_lines l on l.booking_id = b.id join invoices i on i.id = l.invoice_id"
        " where b.unbooked_at is null and instr(b.note, ?) = 0 order by t.entry_ref, i.file",
        (APPROVED,),
    )
    matches: dict[str, list[str]] = {}
    for entry, file in rows:
        matches.setdefault(entry, []).append(Path(file).name)
    return matches


def waiting_transactions(connection: sqlite3.Connection) -> set[str]:
    """Entry references that wait for a person."""
    return {
        row[0] for row in connection.execute("select entry_ref from transactions where review = 'waiting'")
    }


def canonical_bookings(ledger: Path) -> list[tuple[str, str, int]]:
    """Every line that stands as (entry reference, file, cents), sorted: equal for equal ledgers.

    Ids and times differ between two runs that did the same; these do not.
    """
    connection = sqlite3.connect(f"file:{ledger}?mode=ro", uri=True)
    try:
        rows = connection.execute(
            "select t.entry_ref, i.file, l.amount from bookings b"
            " join transactions t on t.id = b.transaction_id join booking_lines l on l.booking_id = b.id"
            " join invoices i on i.id = l.invoice_id where b.unbooked_at is null"
        ).fetchall()
    finally:
        connection.close()
    return sorted((entry, file, cents) for entry, file, cents in rows)


def compare(key: Mapping[str, Any], matches: Mapping[str, list[str]], waiting: set[str]) -> Score:
    """Scores automatic matches (files by entry reference) against a key; a copy counts as its original."""
    copies: Mapping[str, str] = key["copies"]
    counts: dict[str, Counter[str]] = {}
    wrong = []
    for entry, truth in key["transactions"].items():
        right = sorted(truth["invoices"])
        booked = sorted(copies.get(file, file) for file in matches.get(entry, []))
        correct = bool(booked) and booked == right
        if booked and not correct:
            wrong.append((entry, booked, right))
        counts.setdefault(truth["kind"], Counter()).update(
            transactions=1,
            one_right=truth["oneRight"],
            automatic=bool(booked),
            correct=correct,
            found=correct and truth["oneRight"],
            waiting=entry in waiting,
        )
    return Score({kind: KindScore(**counter) for kind, counter in sorted(counts.items())}, wrong)


def render(result: Score) -> str:
    """A table for people: one line for each kind of case, then the sums."""
    lines = [
        f"{'kind of case':<28}{'payments':>9}{'one right':>10}{'automatic':>10}{'correct':>8}{'waiting':>8}"
    ]
    lines += [
        f"{name:<28}{k.transactions:>9}{k.one_right:>10}{k.automatic:>10}{k.correct:>8}{k.waiting:>8}"
        for name, k in result.kinds.items()
    ]
    lines.append(
        f"{'all':<28}{result.total('transactions'):>9}{result.total('one_right'):>10}{result.total('automatic'):>10}"
        f"{result.total('correct'):>8}{result.total('waiting'):>8}"
    )
    lines.append(f"precise: {result.precision:.1%} of {result.total('automatic')} automatic matches")
    lines.append(
        f"found:   {result.recall:.1%} of {result.total('one_right')} payments with exactly one right invoice"
    )
    lines += [
        f"wrong:   {entry} was booked on {booked}, right is {right}" for entry, booked, right in result.wrong
    ]
    return "\n".join(lines)


def main() -> None:
    """Prints the score; the exit code is 1 when it misses 99 % precision or 80 % found."""
    parser = argparse.ArgumentParser(description="Score a ledger against the answer key.")
    parser.add_argument("--ledger", type=Path, required=True)
    parser.add_argument("--key", type=Path, required=True)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args()
    result = score(options.ledger, options.key)
    print(json.dumps(result.as_json()) if options.json else render(result))
    raise SystemExit(0 if result.precision >= 0.99 and result.recall >= 0.8 else 1)


if __name__ == "__main__":
    main()
