"""Bulk reruns over REST: every page is shown first, then each is confirmed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from quarterdeck.cli.api import Api

# Seconds that the platform may take for a page.
PATIENCE = 130.0


@dataclass(frozen=True, slots=True)
class DryPage:
    """A page as a dry run showed it, and the request that showed it."""

    wish: Mapping[str, Any]
    items: list[dict[str, Any]]
    confirm: str


def dry_pages(api: Api, wish: Mapping[str, Any]) -> list[DryPage]:
    """Returns all pages of what would be run again. Raises CliError."""
    pages: list[DryPage] = []
    token = ""
    while True:
        asked = {**wish, "continue": token}
        found = api.post(api.tenant_path("runs", "rerun"), {**asked, "dryRun": True}, timeout=PATIENCE)
        pages.append(DryPage(asked, found.get("items", []), str(found.get("confirm") or "")))
        token = str(found.get("continue") or "")
        if not token:
            return pages


def really(api: Api, pages: Sequence[DryPage]) -> list[dict[str, Any]]:
    """Runs again what was shown; returns what became of each. Raises CliError."""
    done: list[dict[str, Any]] = []
    for page in pages:
        if page.confirm:
            wish = {**page.wish, "confirm": page.confirm}
            done += api.post(api.tenant_path("runs", "rerun"), wish, timeout=PATIENCE).get("items", [])
    return done
