"""The generator's command line."""

from __future__ import annotations

import argparse
import sys
from datetime import date
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from generate.month import make_month
from generate.write import write_month


def _month(text: str) -> date:
    return date.fromisoformat(f"{text}-01")


def main() -> None:
    """Parses the arguments, makes the month and says what was written."""
    parser = argparse.ArgumentParser(prog="generate", description="Make a month of a small shop.")
    parser.add_argument("--seed", type=int, default=7, help="the same seed gives the same bytes")
    parser.add_argument("--month", type=_month, default="2025-01", help="such as 2025-01")
    parser.add_argument("--out", type=Path, required=True, help="the folder to write to")
    options = parser.parse_args()
    month = make_month(options.seed, options.month)
    write_month(month, options.out)
    print(f"{len(month.payments)} transactions and {len(month.invoices)} invoices in {options.out}")


if __name__ == "__main__":
    main()
