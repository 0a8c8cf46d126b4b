"""Writes a month to a folder: ``statement.xml``, ``invoices/*.pdf`` and ``answer-key.json``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from generate.model import Month
from generate.pdf import invoice_pdf
from generate.statement import statement_xml


def write_month(month: Month, folder: Path) -> None:
    """Writes every file of the month; files already there under the same names are replaced."""
    (folder / "invoices").mkdir(parents=True, exist_ok=True)
    (folder / "statement.xml").write_bytes(statement_xml(month))
    for invoice in month.invoices:
        (folder / "invoices" / invoice.file).write_bytes(invoice_pdf(invoice))
    text = json.dumps(answer_key(month), indent=1, ensure_ascii=False, sort_keys=True)
    (folder / "answer-key.json").write_text(text + "\n", encoding="utf-8")


def answer_key(month: Month) -> Mapping[str, Any]:
    """What is right: per transaction (by entry reference) and per invoice (by file). For scoring only."""
    copies = {i.file: i for i in month.invoices if i.copy_of}
    originals = {(i.vendor.name, i.number): i.file for i in month.invoices if not i.copy_of}
    return {
        "seed": month.seed,
        "month": f"{month.first:%Y-%m}",
        "transactions": {
            p.entry_ref: {"kind": p.kind, "invoices": [i.file for i in p.invoices], "oneRight": p.one_right}
            for p in month.payments
        },
        "copies": {name: originals[i.vendor.name, i.number] for name, i in copies.items()},
        "invoices": {
            i.file: {
                "vendor": i.vendor.name,
                "number": i.number,
                "date": i.issued.isoformat(),
                "total": i.total / 100,
                "currency": i.vendor.currency,
                "layout": i.vendor.style.layout,
                "language": i.vendor.style.language,
            }
            for i in month.invoices
        },
    }
