"""The commands of docs/security.md about questions, keys and suspensions, run in the order of the page."""

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

PAGE = Path(__file__).parent.parent / "docs" / "security.md"
COMMAND = re.compile(r"^\$ (qd auth .*)$", re.MULTILINE)
TENANT = "kind: Tenant\nmetadata: {name: acme}\nspec: {}\n"


class Shell:
    """Somebody at a terminal, with a platform that runs."""

    def __init__(self, folder):
        kept = {k: v for k, v in os.environ.items() if not k.startswith("QD_") and not k.endswith("_API_KEY")}
        path = f"{Path(sys.executable).parent}:{kept['PATH']}"
        self.folder = folder
        self.env = kept | {"PATH": path, "QD_CONFIG": str(folder / "no-config")}
        self.platform = subprocess.Popen(
            ["qd", "up", "--port", "0", "--grpc-port", "0"], cwd=folder, env=self.env
        )

    def run(self, command):
        return subprocess.run(
            shlex.split(command), cwd=self.folder, env=self.env, capture_output=True, text=True,
            timeout=60, check=False,
        )  # fmt: skip

    def until(self, command):
        until = time.monotonic() + 60
        while (done := self.run(command)).returncode:
            assert self.platform.poll() is None, "the platform ended"
            assert time.monotonic() < until, done.stderr
            time.sleep(0.2)

    def stop(self):
        self.platform.send_signal(signal.SIGTERM)
        self.platform.wait(30)


@pytest.fixture
def shell(tmp_path):
    opened = Shell(tmp_path)
    yield opened
    opened.stop()


def test_each_command_does_what_the_page_says(shell):
    commands = COMMAND.findall(PAGE.read_text())
    assert len(commands) >= 10
    shell.until("qd get tenants")
    (shell.folder / "acme.yaml").write_text(TENANT)
    shell.until("qd apply -f acme.yaml")
    said = {}
    for command in commands:
        done = shell.run(command)
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        said[" ".join(command.split()[2:4])] = done.stdout + done.stderr
    assert "principal: local:admin" in said["whoami"]
    assert said["can-i create"] == "yes\n"
    assert "account:nightly" in said["key list"]
    assert "corp:anna" in said["revoked"] and "left the company" in said["revoked"]
    assert "corp:anna is let in again" in said["restore corp:anna"]
    assert "nobody is suspended" in shell.run("qd auth revoked").stdout + shell.run("qd auth revoked").stderr
