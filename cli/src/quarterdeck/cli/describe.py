"""One thing in full, as text for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from quarterdeck.cli.api import Api
from quarterdeck.cli.kinds import find_kind
from quarterdeck.cli.output import to_yaml
from quarterdeck.cli.resources_show import kind_path
from quarterdeck.cli.runs_view import APPROVAL_COLUMNS, APPROVAL_FIELDS, RUN_COLUMNS, RUN_FIELDS, fields_text
from quarterdeck.cli.table import Column, age, render

# A condition's message says what to do at its end, so it is shown whole; this only bounds the line.
LONGEST_MESSAGE = 4000
CONDITION_COLUMNS = (
    Column("TYPE", "type"),
    Column("STATUS", "status"),
    Column("REASON", "reason"),
    Column("AGE", lambda item: age(item.get("lastTransitionTime"))),
    Column("MESSAGE", "message", longest=LONGEST_MESSAGE),
)
REVISION_COLUMNS = (
    Column("REVISION", "revision"),
    Column("AGE", lambda item: age(item.get("createdAt"))),
)
SHOWN = 5


def describe_object(api: Api, word: str, name: str) -> list[str]:
    """Returns a declared resource: identity, spec, conditions, revisions, and runs if it runs."""
    kind = find_kind(word)
    found = api.get(kind_path(api, kind, name))
    lines = [*_identity(found), *_section("Spec", _yaml(found.get("spec")))]
    status = dict(found.get("status") or {})
    conditions = status.pop("conditions", None) or []
    lines += _section("Conditions", render(CONDITION_COLUMNS, conditions) if conditions else ["  none yet"])
    lines += _section("Status", _yaml(status)) if status else []
    revisions = api.get(kind_path(api, kind, name, "revisions"), {"limit": SHOWN}).get("items", [])
    lines += _section("Revisions", render(REVISION_COLUMNS, revisions)) if revisions else []
    if kind.name in ("Workflow", "Agent"):
        query: dict[str, str | int] = {"kind": kind.name, "name": name, "limit": SHOWN}
        runs = api.get(api.tenant_path("runs"), query).get("items", [])
        lines += _section("Recent runs", render(RUN_COLUMNS, runs) if runs else ["  none"])
    return lines


def _identity(found: Mapping[str, Any]) -> list[str]:
    metadata = found.get("metadata") or {}
    fields = {"name": "Name", "namespace": "Namespace", "uid": "UID", "labels": "Labels"}
    fields |= {"annotations": "Annotations", "generation": "Generation", "creationTimestamp": "Created"}
    return [f"{'Kind:':<14}{found.get('kind')}", *fields_text(metadata, fields)]


def describe_run(api: Api, run_id: str) -> list[str]:
    """Returns a run: its fields, open approvals, children."""
    run = api.get(api.tenant_path("runs", run_id))
    lines = fields_text(run, RUN_FIELDS)
    approvals = api.get(api.tenant_path("approvals"), {"run": run_id, "state": "open", "limit": SHOWN})
    if approvals.get("items"):
        lines += _section("Waits for", render(APPROVAL_COLUMNS, approvals["items"]))
    children = api.get(api.tenant_path("runs"), {"parent": run_id, "limit": SHOWN})
    if children.get("items"):
        more = "Children (the newest)" if children.get("continue") else "Children"
        lines += _section(more, render(RUN_COLUMNS, children["items"]))
    return lines


def describe_approval(api: Api, approval_id: str) -> list[str]:
    """Returns an approval with what will be done."""
    return fields_text(api.get(api.tenant_path("approvals", approval_id)), APPROVAL_FIELDS)


def _section(title: str, lines: list[str]) -> list[str]:
    return ["", f"{title}:", *(f"  {line.strip() if line.startswith('  none') else line}" for line in lines)]


def _yaml(value: Any) -> list[str]:
    return to_yaml(value).rstrip().splitlines() if value else []
