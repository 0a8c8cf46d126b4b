"""Runs, effects and approvals as tables and as text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from quarterdeck.cli.journal import compact, error_text
from quarterdeck.cli.table import EMPTY, Column, age, duration, parse_time

Item = Mapping[str, Any]


def run_name(run: Item) -> str:
    """Returns "run/<id>"."""
    return f"run/{run.get('id', '')}"


def rerun_name(rerun: Item) -> str:
    """Returns "run/<id>" of the new run, of the old one while there is none."""
    return f"run/{rerun.get('newRunId') or rerun.get('runId', '')}"


def _took(run: Item) -> str:
    began, ended = parse_time(run.get("startedAt")), parse_time(run.get("finishedAt"))
    return duration((ended - began).total_seconds()) if began and ended else EMPTY


def _why(run: Item) -> str:
    return error_text(run["error"]) if run.get("error") else str(run.get("reason") or "")


def _cost(run: Item) -> str:
    return f"${run['costUsd']:.4f}" if run.get("costUsd") else EMPTY


RUN_COLUMNS = (
    Column("ID", "id"),
    Column("KIND", "kind", wide=True),
    Column("NAME", "name"),
    Column("STATE", "state"),
    Column("APPROVALS", "openApprovals"),
    Column("COST", _cost),
    Column("TOKENS", "tokens", wide=True),
    Column("TOOK", _took),
    Column("AGE", lambda run: age(run.get("createdAt"))),
    Column("KEY", "key", wide=True),
    Column("SESSION", "session", wide=True),
    Column("LABELS", "labels", wide=True),
    Column("REASON", _why),
)

RERUN_COLUMNS = (
    Column("RUN", "runId"),
    Column("KIND", "kind", wide=True),
    Column("NAME", "name"),
    Column("STATE", "state"),
    Column("NEW-RUN", "newRunId"),
    Column("PROBLEM", "problem"),
)

EFFECT_COLUMNS = (
    Column("RUN", "runId", wide=True),
    Column("EFFECT", "effectId"),
    Column("KIND", "kind"),
    Column("TARGET", "target"),
    Column("STATE", "state"),
    Column("ATTEMPT", "attempt"),
    Column("ARGUMENTS", lambda effect: compact(effect.get("arguments"), 60)),
    Column("OUTCOME", lambda effect: compact(effect.get("outcome"), 60)),
)

APPROVAL_COLUMNS = (
    Column("ID", "id"),
    Column("STATE", "state"),
    Column("SOURCE", "source", wide=True),
    Column("TITLE", "title"),
    Column("POLICY", "policy", wide=True),
    Column("RUN", "runId", wide=True),
    Column("DECIDED-BY", "decidedBy", wide=True),
    Column("AGE", lambda approval: age(approval.get("createdAt"))),
    Column("EXPIRES", "expiresAt", wide=True),
)


def approval_name(approval: Item) -> str:
    """Returns "approval/<id>"."""
    return f"approval/{approval.get('id', '')}"


def fields_text(item: Item, fields: Mapping[str, str]) -> list[str]:
    """Returns "Label:  value" lines for the fields that have a value; nested values as YAML below."""
    from quarterdeck.cli.output import to_yaml

    width = max(len(label) for label in fields.values()) + 3
    lines = []
    for key, label in fields.items():
        value = item.get(key)
        if value in (None, "", {}, []):
            continue
        if isinstance(value, Mapping | list):
            lines.append(f"{label}:")
            lines += ["  " + line for line in to_yaml(value).rstrip().splitlines()]
        elif "\n" in str(value):
            lines.append(f"{label}:")
            lines += ["  " + line for line in str(value).splitlines()]
        else:
            lines.append(f"{label + ':':<{width}}{value}")
    return lines


RUN_FIELDS = {
    "id": "Run",
    "kind": "Kind",
    "name": "Name",
    "state": "State",
    "reason": "Reason",
    "revision": "Revision",
    "parentRunId": "Parent",
    "parentNode": "Parent node",
    "itemIndex": "Item",
    "session": "Session",
    "key": "Key",
    "labels": "Labels",
    "trigger": "Trigger",
    "archived": "Archived by",
    "principal": "Started by",
    "createdAt": "Created",
    "startedAt": "Started",
    "finishedAt": "Finished",
    "costUsd": "Cost (USD)",
    "tokens": "Tokens",
    "openApprovals": "Open approvals",
    "lastSeq": "Events",
    "forkedFrom": "Forked from",
    "input": "Input",
    "output": "Output",
    "error": "Error",
}

APPROVAL_FIELDS = {
    "title": "Title",
    "id": "Approval",
    "state": "State",
    "runId": "Run",
    "node": "Node",
    "source": "Source",
    "policy": "Policy",
    "createdAt": "Asked",
    "expiresAt": "Expires",
    "decidedBy": "Decided by",
    "decidedAt": "Decided",
    "comment": "Comment",
    "summary": "Summary",
    "data": "What will be done",
    "answer": "Answer",
    "dataHash": "Hash",
}
