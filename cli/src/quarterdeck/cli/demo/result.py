"""The demo's result: counts from the ledger, cost, time, and the score against the key."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from quarterdeck.cli.api import Api
from quarterdeck.cli.demo.example import LEDGER_SERVER, Example
from quarterdeck.cli.errors import CliError
from quarterdeck.cli.table import align

SCORE_TIMEOUT = 60.0


@dataclass(frozen=True, slots=True)
class Result:
    """What the morning brought.

    `counts` is what the ledger's tool `summary` says, `seconds` the time since the run was started,
    or `went_on` under our eyes; `score` may be empty.
    """

    counts: Mapping[str, Any]
    cost_usd: float
    tokens: int
    seconds: float
    went_on: bool
    approvals: int
    score: Mapping[str, Any]


def read_counts(api: Api) -> Mapping[str, Any]:
    """Returns the ledger's counts, asked of its tool server as anybody may."""
    outcome = api.post(api.tenant_path("tools", LEDGER_SERVER, "summary", "call"), {"arguments": {}})
    result = outcome.get("result")
    if isinstance(result, dict) and isinstance(result.get("structuredContent"), dict):
        result = result["structuredContent"]
    if outcome.get("status") != "ok" or not isinstance(result, dict):
        raise CliError(f"the ledger gave no summary: {outcome.get('message') or outcome.get('status')}")
    return result


def read_score(example: Example) -> Mapping[str, Any]:
    """Returns how the ledger compares with the answer key; empty when the month has none."""
    key = example.answer_key()
    program = example.folder / "score.py"
    if key is None or not program.is_file():
        return {}
    command = [sys.executable, str(program), "--ledger", str(example.ledger), "--key", str(key), "--json"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=SCORE_TIMEOUT, check=False)
    try:
        found: Mapping[str, Any] = json.loads(ended.stdout)
    except ValueError:
        raise CliError(f"the score could not be computed: {ended.stderr.strip()[-200:]}") from None
    return found


def result_lines(result: Result) -> list[str]:
    """Returns the result table."""
    counts = result.counts
    rows = [
        ["payments", str(counts.get("transactions", "?")), ""],
        ["matched", str(counts.get("matched", "?")), "booked in the ledger"],
        ["waiting for review", str(counts.get("waiting", "?")), f"{result.approvals} open approvals"],
        ["no match", str(counts.get("unmatched", "?")), "no invoice fits"],
    ]
    if counts.get("reversed"):
        rows.append(["reversed", str(counts["reversed"]), "set off by the bank"])
    if counts.get("rejected"):
        rows.append(["rejected", str(counts["rejected"]), "by a person"])
    rows.append(["cost", f"${result.cost_usd:.4f}", f"{result.tokens:,} tokens"])
    rows.append(
        ["time", f"{result.seconds:.1f} s", "since it went on" if result.went_on else "from start to result"]
    )
    return [*align(rows), *score_lines(result.score)]


def score_lines(score: Mapping[str, Any]) -> list[str]:
    """Returns the comparison with the answer key, nothing without one."""
    if not score:
        return []
    return [
        "",
        "Against the answer key:",
        f"  precise  {score['precision']:.1%} of {score['automatic']} automatic matches",
        f"  found    {score['recall']:.1%} of {score['one_right']} payments with exactly one right invoice",
    ]
