"""A known vulnerability fails the audit; a database that is away is said, and fails nothing."""

import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "hack/audit.sh"
AWAY = "echo 'ConnectionError: no route'; exit 1"
FOUND = "echo 'Found 1 known vulnerability in 1 package'; exit 1"


@pytest.mark.parametrize(
    ("answer", "code", "said"),
    [
        ("exit 0", 0, "no known vulnerability"),
        (FOUND, 1, "Found 1 known vulnerability"),
        (AWAY, 0, "NOT AUDITED: the advisory database did not answer (ConnectionError: no route)"),
    ],
)
def test_audit(tmp_path: Path, answer: str, code: int, said: str) -> None:
    for name, script in (("pip-audit", answer), ("cyclonedx-py", "exit 0")):
        program = tmp_path / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
    (tmp_path / "hack").mkdir()
    (tmp_path / "build").mkdir()
    (tmp_path / "build/sbom.json").write_text('"bom-ref": 1\n')
    (tmp_path / "hack/audit.sh").write_text(SCRIPT.read_text())
    told = subprocess.run(
        ["sh", tmp_path / "hack/audit.sh", tmp_path / "bin/python"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (told.returncode, said in told.stdout) == (code, True), told
