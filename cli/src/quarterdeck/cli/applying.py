"""Applies manifests: sends them, then waits a moment for the verdict that only the platform can give."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from quarterdeck.cli.api import Api, ApiError
from quarterdeck.cli.constants import ACCEPTED_TIMEOUT, EXIT_INVALID
from quarterdeck.cli.errors import CliError
from quarterdeck.cli.kinds import find_kind
from quarterdeck.cli.manifests import LocalManifest
from quarterdeck.cli.resources_show import condition, kind_path

OUTCOME_HEADER = "Quarterdeck-Outcome"
POLL = 0.05


@dataclass(slots=True)
class Applied:
    """One manifest that was sent: created, configured or unchanged, and the object as it is now."""

    manifest: LocalManifest
    outcome: str
    object: dict[str, Any] = field(repr=False)

    @property
    def verdict(self) -> str:
        """Returns the status of Accepted for this generation: "True", "False" or "Unknown"."""
        return str(self._current("Accepted").get("status") or "Unknown")

    def _current(self, kind: str) -> Mapping[str, Any]:
        """Returns a condition unless it is about an older generation."""
        found = condition(self.object, kind)
        generation = (self.object.get("metadata") or {}).get("generation") or 0
        seen = found.get("observedGeneration")
        return found if seen is None or seen >= generation else {}

    def refusal(self) -> str:
        """Returns why it was not accepted, with file and line."""
        return (
            f"{self.manifest.place()}: {self.manifest.reference}: {self._current('Accepted').get('message')}"
        )

    def unresolved(self) -> str:
        """Returns what it refers to and does not find, empty when there is nothing."""
        found = self._current("ResolvedRefs")
        return str(found.get("message") or "") if found.get("status") == "False" else ""


def apply_manifest(api: Api, manifest: LocalManifest, dry_run: bool = False) -> Applied:
    """Sends one manifest. Raises ApiError with file and line if the platform refuses it."""
    path = kind_path(api, find_kind(manifest.kind), manifest.name)
    try:
        response = api.send("PUT", path, query={"dryRun": "true" if dry_run else None}, body=manifest.data)
    except ApiError as error:
        where = str(error.problem.get("field") or "")
        error.message = f"{manifest.place(where)}: {manifest.reference}: {error.message}"
        raise
    outcome = response.headers.get(OUTCOME_HEADER) or (
        "created" if response.status_code == 201 else "configured"
    )
    return Applied(manifest, outcome.lower(), response.json())


def await_verdicts(api: Api, applied: Sequence[Applied], timeout: float = ACCEPTED_TIMEOUT) -> None:
    """Reads the objects again until each is accepted or refused, for `timeout` seconds at most."""
    deadline = time.monotonic() + timeout
    waiting = [item for item in applied if item.verdict == "Unknown"]
    while waiting and time.monotonic() < deadline:
        time.sleep(POLL)
        for item in waiting:
            path = kind_path(api, find_kind(item.manifest.kind), item.manifest.name)
            item.object = api.get(path)
        waiting = [item for item in waiting if item.verdict == "Unknown"]


def check_verdicts(applied: Sequence[Applied]) -> None:
    """Raises CliError if one of them was not accepted."""
    wrong = [item for item in applied if item.verdict == "False"]
    if wrong:
        raise CliError(
            f"{len(wrong)} of {len(applied)} not accepted; the revisions accepted before stay in use",
            details=[item.refusal() for item in wrong],
            hint=f"see `qd describe {wrong[0].manifest.reference}`",
            code=EXIT_INVALID,
        )
