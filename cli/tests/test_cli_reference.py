"""docs/cli.md is what the commands say of themselves."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_reference_is_up_to_date() -> None:
    command = [sys.executable, str(ROOT / "hack/cli_reference.py"), str(ROOT / "docs/cli.md"), "--check"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr


def test_a_page_that_is_not_up_to_date_is_noticed(tmp_path: Path) -> None:
    page = tmp_path / "cli.md"
    script = str(ROOT / "hack/cli_reference.py")
    subprocess.run([sys.executable, script, str(page)], check=True)
    page.write_text(page.read_text() + "x")
    assert subprocess.run([sys.executable, script, str(page), "--check"], check=False).returncode == 1
