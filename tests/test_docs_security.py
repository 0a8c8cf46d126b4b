"""The way from a sign-in to a denied call, as docs/security.md shows it, with a provider by Authlib."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request
from pathlib import Path

from hack.services.server import free_port

ROOT = Path(__file__).parent.parent
BLOCK = re.compile(r"^```(\w+)(?: title=(\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ISSUER, GATEWAY = "http://127.0.0.1:5556", "http://127.0.0.1:7410"
CODE = re.compile(r"Open (\S+) and type the code (\S+)")


class Reader:
    """Somebody who follows the page, and types codes into a browser as Anna."""

    def __init__(self, folder):
        self.folder, self.said, self.processes = folder, [], []
        kept = {k: v for k, v in os.environ.items() if not k.startswith("QD_") and not k.endswith("_API_KEY")}
        path = f"{Path(sys.executable).parent}:{kept['PATH']}"
        self.env = kept | {"PATH": path, "QD_CONFIG": str(folder / "config" / "config.yaml")}

    def start(self, *words, cwd, **more):
        process = subprocess.Popen(words, cwd=cwd, env=self.env | more, stdout=subprocess.PIPE, text=True)
        self.processes.append(process)
        return process

    def stop(self):
        for process in reversed(self.processes):
            process.send_signal(signal.SIGINT)
            process.wait(30)
            process.stdout.close()

    def follow(self, text):
        process = subprocess.Popen(
            ["sh", "-ex"], cwd=self.folder, env=self.env, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        guard = threading.Timer(90, process.kill)
        guard.start()
        process.stdin.write(text)
        process.stdin.close()
        for line in process.stdout:
            self.said.append(line)
            if found := CODE.search(line):
                form = {"user_code": found[2], "person": "anna"}
                urllib.request.urlopen(found[1], urllib.parse.urlencode(form).encode(), timeout=10).close()
        guard.cancel()
        process.stdout.close()
        assert process.wait() == 0, "".join(self.said)


def blocks():
    page = (ROOT / "docs/security.md").read_text()
    section = page.split("## From a sign-in to a call that is denied")[1].split("\n## ")[0]
    found = BLOCK.findall(section)
    assert [kind for kind, _, _ in found] == ["console", "sh", "yaml", "sh", "sh"]
    return found


def start_all(reader, commands):
    """Starts what the first block says, on ports that are free."""
    provider, platform = (line.removeprefix("$ ") for line in commands.splitlines())
    words = provider.replace("--port 5556", "--port 0").split()
    issuer = reader.start(sys.executable, *words[1:], cwd=ROOT).stdout.readline().strip()
    setting, _, value = platform.removesuffix(" qd up").partition("=")
    providers = value.strip("'").replace(ISSUER, issuer)
    assert json.loads(providers)[0]["issuer"] == issuer
    port = free_port()
    reader.start(
        "qd", "up", "--port", str(port), "--grpc-port", "0", cwd=reader.folder, **{setting: providers}
    )
    until = time.monotonic() + 60
    ask = {"cwd": reader.folder, "env": reader.env, "capture_output": True}
    while subprocess.run(["qd", "get", "tenants"], check=False, **ask).returncode:
        assert time.monotonic() < until, "the platform did not start"
        time.sleep(0.2)
    return f"http://127.0.0.1:{port}"


def test_from_a_sign_in_to_a_denied_call(tmp_path):
    reader = Reader(tmp_path)
    try:
        (_, _, commands), *rest = blocks()
        gateway = start_all(reader, commands)
        for _, title, text in rest:
            if title:
                (tmp_path / title).write_text(text)
            else:
                reader.follow(text.replace(GATEWAY, gateway))
    finally:
        reader.stop()
    said = "".join(reader.said)
    assert "signed in as corp:anna, context anna" in said
    assert "- corp:books" in said
    assert "corp:anna may not list agents in tenant default" in said
    assert "corp:anna may not create runs in tenant default" in said
    assert "roles that allow it: developer, operator" in said
    assert "signed out of context anna" in said
    assert not list((tmp_path / "config" / "sign-ins").glob("*.json"))
