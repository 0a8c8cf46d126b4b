"""A morning's work that tests look at together."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from e2e_kit.commands import qd, qd_json
from e2e_kit.month import Example
from e2e_kit.shapes import Shape

# How long the small month may take on a busy machine.
RUN_SECONDS = 90.0


@dataclass(frozen=True, slots=True)
class Morning:
    """A platform on which the example ran until it only waited for people; the run is its root."""

    platform: Shape
    example: Example
    ledger: Path
    run: str


def start_morning(platform: Shape, example: Example) -> str:
    """Applies an example and starts its workflow, by the command line; returns the run's id."""
    qd(platform.data_dir, "apply", "-f", example.manifests)
    given = f"@{example.folder / 'input.json'}"
    started = qd_json(platform.data_dir, "run", "invoice-matching", "--input", given, "--label", "suite=e2e")
    return str(started["id"])
