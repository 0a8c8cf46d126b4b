"""The invoice example in a folder of a test's own: a copy whose month is small and whose ledger may wait."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from e2e_kit.process import REPOSITORY

EXAMPLE = REPOSITORY / "examples" / "invoice-matching"
if str(EXAMPLE) not in sys.path:
    sys.path.insert(0, str(EXAMPLE))

# How often each case of the generator occurs: every one that ends differently, few of each.
SMALL = {
    "structured_reference": 5,
    "free_reference": 4,
    "batch": 1,
    "missing_reference": 2,
    "misspelt_vendor": 1,
    "several_invoices": 1,
    "partial_payment": 1,
    "wrong_reference": 2,
    "foreign_currency": 1,
    "charges": 1,
    "duplicate_invoice": 1,
    "duplicate_payment": 1,
    "reversed_payment": 1,
    "cash_discount": 1,
    "card_purchase": 1,
    "unpaid": 1,
    "ordinary": 2,
    "takings": 1,
}


@dataclass(frozen=True, slots=True)
class Example:
    """A folder that `qd demo --example` takes, and the month in it."""

    folder: Path
    month: Path

    @property
    def manifests(self) -> Path:
        """The folder of its manifests."""
        return self.folder / "manifests"

    def input(self) -> dict[str, Any]:
        """The input of its workflow."""
        found: dict[str, Any] = json.loads((self.folder / "input.json").read_text())
        return found


def small_month(folder: Path) -> Path:
    """Makes a month of about thirty payments in `folder`; the same bytes each time."""
    from generate import cases, month, others
    from generate.desk import Desk
    from generate.write import write_month

    def case(name: str) -> Callable[[Desk], None]:
        found: Callable[[Desk], None] = getattr(cases, name, None) or getattr(others, name)
        return found

    plan = tuple((case(name), times) for name, times in SMALL.items())
    write_month(month.make_month(3, date(2025, 3, 1), plan), folder)
    return folder


def committed_month() -> Path:
    """The month that the repository holds."""
    return EXAMPLE / "data" / "2025-01"


def copy_example(
    folder: Path, month: Path, ledger: Path, ledger_env: Mapping[str, str] | None = None, checks: bool = True
) -> Example:
    """Copies the example into `folder`, with one month.

    Args:
        folder: where the copy is made.
        month: the folder of a month, copied too.
        ledger: where its tool server keeps the ledger.
        ledger_env: what else its tool server finds in its environment.
        checks: False leaves out how to check a booking, as `manifests-no-check` does.
    """
    for name in ("manifests", "servers"):
        shutil.copytree(EXAMPLE / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("playbook.yaml", "score.py"):
        shutil.copy(EXAMPLE / name, folder)
    shutil.copytree(month, folder / "data" / month.name)
    value = json.loads((EXAMPLE / "input.json").read_text())
    value |= {"statement": f"{month.name}/statement.xml", "invoices": f"{month.name}/invoices"}
    (folder / "input.json").write_text(json.dumps(value))
    example = Example(folder, folder / "data" / month.name)
    point_at(example, ledger, ledger_env or {}, checks)
    return example


def point_at(example: Example, ledger: Path, ledger_env: Mapping[str, str], checks: bool) -> None:
    """Says in the manifests of a copy where its ledger is, and what that finds in its environment."""
    servers = example.manifests / "servers.yaml"
    documents = list(yaml.safe_load_all((EXAMPLE / "manifests" / "servers.yaml").read_text()))
    if not checks:
        without = yaml.safe_load((EXAMPLE / "manifests-no-check" / "ledger.yaml").read_text())
        documents = [without, *(item for item in documents if item["metadata"]["name"] != "ledger")]
    for document in documents:
        if document["metadata"]["name"] == "ledger":
            document["spec"]["local"]["env"] = {"LEDGER_PATH": str(ledger), **ledger_env}
    servers.write_text(yaml.safe_dump_all(documents, sort_keys=False))
