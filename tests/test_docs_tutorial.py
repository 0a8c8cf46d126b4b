"""The tutorial, as a reader would follow it: its files are written, its commands run in order."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
BLOCK = re.compile(r"^```(\w+)(?: title=(\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def start_platform(folder: Path, env: dict[str, str]) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(["qd", "up", "--port", "0", "--grpc-port", "0"], cwd=folder, env=env)
    deadline = time.monotonic() + 60
    while subprocess.run(
        ["qd", "get", "tenants"], cwd=folder, env=env, capture_output=True, check=False
    ).returncode:
        assert process.poll() is None, "the platform ended"
        assert time.monotonic() < deadline, "the platform did not start"
        time.sleep(0.2)
    return process


def test_the_tutorial_works(tmp_path):
    env = {k: v for k, v in os.environ.items() if not k.startswith("QD_") and not k.endswith("_API_KEY")}
    env |= {"PATH": f"{Path(sys.executable).parent}:{env['PATH']}", "QD_CONFIG": str(tmp_path / "no-config")}
    platform = start_platform(tmp_path, env)
    try:
        outputs = [follow(kind, title, text, tmp_path, env) for kind, title, text in blocks()]
    finally:
        platform.send_signal(signal.SIGTERM)
        platform.wait(30)
    said = "\n".join(filter(None, outputs))
    assert '"count": 3' in said.replace('"count":3', '"count": 3')
    assert "a-person-decides" in said or "Ordering costs money" in said
    assert json.loads((tmp_path / "orders.json").read_text()) == [["bell", 7]]


def blocks() -> list[tuple[str, str, str]]:
    found = BLOCK.findall((ROOT / "docs/tutorial.md").read_text())
    assert sum(kind == "sh" for kind, _, _ in found) >= 5
    return found


def follow(kind: str, title: str, text: str, folder: Path, env: dict[str, str]) -> str:
    if title:
        (folder / title).write_text(text)
        return ""
    done = subprocess.run(
        ["sh", "-e"], input=text, cwd=folder, env=env, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr
