"""Secrets that are planted everywhere a secret goes, and looked for in everything the platform writes."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import sys
import tarfile
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote

import pytest
from badinput_support import TENANT, LivePlatform, manifest, tool_workflow, until

# Each is as its kind looks; none is a part of another.
CANARIES = {
    name: f"canary-{name}-{hashlib.sha256(name.encode()).hexdigest()[:24]}"
    for name in ("model", "remote", "local", "hook", "header", "query", "signature")
}
# Files that are there to hold a secret, for nobody but their owner.
HOLDERS = {"admin-token", "api-keys-secret"}
KINDS = ("mcpservers", "modelroutes", "triggers", "apikeys")
# The folder, all that was answered, and what must not be found.
Told = tuple[Path, str, dict[str, str]]
CRASHING = (
    "import os, sys; s = os.environ['TOKEN']; print('my token is ' + s, file=sys.stderr); "
    "print('and on stdout ' + s, flush=True); sys.exit(3)"
)


class Echoing(BaseHTTPRequestHandler):
    """Refuses everything, and says the credential that it was sent."""

    def do_POST(self) -> None:
        """Answers."""
        self.rfile.read(int(self.headers.get("content-length") or 0))
        said = f"{self.headers.get('authorization')} {self.headers.get('x-token')} is no good"
        body = json.dumps({"error": {"message": said, "type": "invalid_request_error"}}).encode()
        self.send_response(401 if "model" in said else 403)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST

    def log_message(self, *_arguments: object) -> None:
        """Says nothing."""


@pytest.fixture(scope="module")
def echoing() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echoing)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def objects(echoing: str) -> list[dict]:  # type: ignore[type-arg]
    def named(name: str, variable: str) -> dict:  # type: ignore[type-arg]
        return {"name": name, "secretRef": {"env": f"CANARY_{variable}"}}

    target = {
        "provider": "openai",
        "model": "m",
        "credential": {"env": "CANARY_MODEL"},
        "baseUrl": f"{echoing}/v1",
    }
    remote = {"url": f"{echoing}/mcp", "secretHeaders": [named("x-token", "REMOTE")]}
    hook = {"path": "/hooks/canary", "secretRef": {"env": "CANARY_HOOK"}}
    return [
        manifest("ModelRoute", "default", {"tiers": [{"name": "standard", "providers": [target]}]}),
        manifest(
            "Agent", "talker", {"instructions": "Talk.", "model": {"route": "default", "tier": "standard"}}
        ),
        manifest("MCPServer", "far", {"remote": remote}),
        manifest(
            "MCPServer",
            "near",
            {"local": {"command": [sys.executable, "-c", CRASHING]}, "secrets": [named("TOKEN", "LOCAL")]},
        ),
        tool_workflow("far", "far", "anything"),
        tool_workflow("near", "near", "anything"),
        manifest("Trigger", "hook", {"target": {"kind": "Workflow", "name": "far"}, "webhook": hook}),
    ]


@pytest.fixture(scope="module")
def told(
    tmp_path_factory: pytest.TempPathFactory, echoing: str
) -> Iterator[tuple[Path, str, dict[str, str]]]:
    """Uses every secret, well and badly; returns the folder, all answers, and what must not be found."""
    folder = tmp_path_factory.mktemp("canaries")
    variables = {f"CANARY_{name.upper()}": value for name, value in CANARIES.items()}
    platform = LivePlatform(folder, **variables, QD_LOG_LEVEL="debug")
    try:
        platform.start()
        platform.apply(*objects(echoing))
        answers = [json.dumps(use(platform))]
        key = platform.http.post(f"{TENANT}/apikeys", json={"name": "k", "principal": "account:k"}).json()[
            "key"
        ]
        answers += ask(platform, key)
        assert platform.alive()
        admin = platform.http.headers["Authorization"].partition(" ")[2]
        bundle = platform.qd("support-bundle", str(folder / "bundle.tar.gz"))
        assert bundle.returncode == 0, bundle.stderr
        answers += [bundle.stdout, bundle.stderr]
        platform.stop()
        yield folder, "\n".join(answers), {**CANARIES, "key": key, "key-part": key[-30:], "admin": admin}
    finally:
        platform.kill()


def use(platform: LivePlatform) -> list[object]:
    """Makes runs that use the secrets and fail; returns them and their journals."""
    runs = [platform.start_run("Agent", "talker", "hello")]
    runs += [platform.start_run("Workflow", name, {}) for name in ("far", "near")]
    ended = [platform.wait(run, "failed", "waiting", timeout=60) for run in runs]
    return [ended, [platform.journal(run) for run in runs]]


def ask(platform: LivePlatform, key: str) -> list[str]:
    """Sends secrets where they belong and where they do not; returns what is answered."""
    body, now = b"{}", str(int(time.time()))
    signed = hmac.new(CANARIES["hook"].encode(), f"m.{now}.".encode() + body, hashlib.sha256).digest()
    hook = {"webhook-id": "m", "webhook-timestamp": now}
    right = {**hook, "webhook-signature": "v1," + base64.b64encode(signed).decode()}
    wrong = {**hook, "webhook-signature": f"v1,{CANARIES['signature']}"}
    asked = [
        platform.http.post("/hooks/canary", content=body, headers={**right, "Authorization": ""}),
        platform.http.post("/hooks/canary", content=body, headers={**wrong, "Authorization": ""}),
        platform.http.get(f"{TENANT}/runs", headers={"Authorization": f"Bearer {CANARIES['header']}"}),
        platform.http.get(f"{TENANT}/runs", headers={"Authorization": f"Bearer {key}"}),
        platform.http.get(f"{TENANT}/runs?token={CANARIES['query']}"),
        *(
            platform.http.get(f"{TENANT}/{kind}")
            for kind in ("mcpservers", "modelroutes", "triggers", "apikeys")
        ),
        *(platform.http.get(path) for path in ("/health", "/metrics")),
    ]
    assert asked[0].status_code == 202, asked[0].text
    assert asked[1].status_code == 401
    until(
        lambda: "my token is" in (platform.data / "logs/quarterdeck.log").read_text(),
        20,
        "the server's words",
    )
    return [f"{one.text} {one.headers}" for one in asked]


def forms(secret: str) -> set[bytes]:
    """Returns a secret as it may be written: as it is, quoted, in hex, and inside of a longer base64."""
    found = {secret.encode(), quote(secret, safe="").encode(), secret.encode().hex().encode()}
    for shift in range(3):
        text = base64.b64encode(b"\0" * shift + secret.encode())
        found.add(text[4:-4])
    return found


def written(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Yields everything that was written, by its name: databases, logs, the screen, the bundle's parts."""
    for path in folder.rglob("*"):
        if path.is_file() and path.name not in HOLDERS:
            yield str(path.relative_to(folder)), path.read_bytes()
        if path.suffix == ".gz" and path.is_file():
            with tarfile.open(path) as archive:
                for part in filter(tarfile.TarInfo.isfile, archive):
                    yield f"{path.name}/{part.name}", archive.extractfile(part).read()  # type: ignore[union-attr]


def test_nothing_that_is_written_has_a_secret(told: Told) -> None:
    folder, answers, secrets = told
    places = [*written(folder), ("answers", answers.encode())]
    assert {"data/gateway.db", "data/agent-runtime.db", "screen.txt"} <= {name for name, _ in places}
    found = {
        (name, secret)
        for secret, value in secrets.items()
        for form in forms(value)
        for name, content in places
        if form in content
    }
    assert found == set()


def test_the_search_finds_what_is_there(told: Told) -> None:
    folder, _, secrets = told
    log = next(content for name, content in written(folder) if name.endswith("quarterdeck.log"))
    assert b"my token is" in log, "the server spoke, without its token"
    assert secrets["admin"].encode() in (folder / "data/admin-token").read_bytes()
    for before in (b"", b"a", b"ab", b"abc"):
        around = base64.b64encode(before + b"a secret of some length" + b"z")
        assert any(form in around for form in forms("a secret of some length"))
