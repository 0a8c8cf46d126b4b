"""What the tests of bad input share: a real platform in a process of its own, and ways to talk to it.

The platform is `qd up` on a fresh data directory and free ports. Tests talk to it as users do: by `qd` and by
REST. Everything that waits has a limit.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx

from quarterdeck.llm.testing import Fault, Reply, WireServer
from quarterdeck.llm.testing.wire_server import Recorded

HERE = Path(__file__).parent
# The tool server of mcp-manager's own tests that misbehaves on demand.
NASTY = HERE.parent.parent / "services/mcp-manager/tests/servers/nasty.py"
QD = Path(sys.executable).parent / "qd"
API = "quarterdeck.dev/v1alpha1"
_NOT_INHERITED = ("QD_", "ANTHROPIC_", "OPENAI_")
OVER = ("succeeded", "failed", "cancelled", "timed-out", "quarantined")
TENANT = "/api/v1/tenants/default"
PLURALS = {
    "Agent": "agents",
    "Workflow": "workflows",
    "MCPServer": "mcpservers",
    "ModelRoute": "modelroutes",
    "Policy": "policies",
    "ApprovalPolicy": "approvalpolicies",
    "MemoryCollection": "memorycollections",
    "Trigger": "triggers",
}


def manifest(kind: str, name: str, spec: Mapping[str, Any], **metadata: Any) -> dict[str, Any]:
    """Returns an object as a manifest."""
    return {"apiVersion": API, "kind": kind, "metadata": {"name": name, **metadata}, "spec": dict(spec)}


def workflow(name: str, *nodes: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """Returns a Workflow of these nodes."""
    return manifest("Workflow", name, {"nodes": list(nodes), **more})


def tool_workflow(name: str, server: str, tool: str, *arguments: str, **more: Any) -> dict[str, Any]:
    """Returns a Workflow of one tool call; its input has the call's arguments by name."""
    given = {argument: f"${{input.{argument}}}" for argument in arguments}
    return workflow(
        name, {"name": "call", "tool": {"server": server, "name": tool, "arguments": given}, **more}
    )


def local_server(name: str, script: Path, **spec: Any) -> dict[str, Any]:
    """Returns an MCPServer that runs a script with this interpreter. `env` goes to the process."""
    local = {"command": [sys.executable, str(script)], "env": spec.pop("env", {})}
    return manifest("MCPServer", name, {"local": local, **spec})


def open_policy(server: str) -> dict[str, Any]:
    """Returns the Policy that lets everybody call every tool of a server."""
    rule = {"name": "all", "match": {"tools": [f"{server}/*"]}, "effect": "allow"}
    return manifest("Policy", f"{server}-open", {"rules": [rule]})


class LivePlatform:
    """A platform in a process of its own."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.environment = {
            **{
                name: value for name, value in os.environ.items() if not name.startswith(("QD_", "ANTHROPIC"))
            },
            "QD_DATA_DIR": str(self.data),
            **environment,
        }
        self.process: subprocess.Popen[bytes] | None = None
        self.http: httpx.Client

    # -- its life --------------------------------------------------------------------------------

    def start(self, timeout: float = 60.0) -> LivePlatform:
        """Starts it and waits until it serves."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.process = self.spawn()
        endpoint = self.data / "endpoint.json"
        until(lambda: self._announced(endpoint), timeout, "the platform to start")
        found = json.loads(endpoint.read_text())
        token = (self.data / "admin-token").read_text().strip()
        headers = {"Authorization": f"Bearer {token}"}
        self.http = httpx.Client(base_url=found["url"], headers=headers, timeout=30)
        return self

    def spawn(self, *more: str) -> subprocess.Popen[bytes]:
        """Starts `qd up` and returns its process; what it prints goes to a file."""
        with (self.folder / "screen.txt").open("ab") as screen:
            return subprocess.Popen(
                [str(QD), "up", "--port", "0", "--grpc-port", "0", *more],
                env=self.environment,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=screen,
                stderr=screen,
                start_new_session=True,
            )

    def _announced(self, endpoint: Path) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.screen()
        try:
            return bool(json.loads(endpoint.read_text())["pid"] == self.process.pid)
        except (OSError, ValueError):
            return False

    def stop(self) -> int:
        """Stops it as Ctrl-C does and returns its exit code."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(10)
                raise
        self.http.close()
        return self.process.returncode

    def kill(self) -> None:
        """Kills it without a warning."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)

    def alive(self) -> bool:
        """True while its process lives."""
        return self.process is not None and self.process.poll() is None

    def screen(self) -> str:
        """Returns what it printed."""
        path = self.folder / "screen.txt"
        return path.read_text(errors="replace") if path.exists() else ""

    def log(self) -> list[dict[str, Any]]:
        """Returns the lines of its log."""
        path = self.data / "logs/quarterdeck.log"
        return [json.loads(line) for line in path.read_text().splitlines() if line.startswith("{")]

    # -- talking to it ---------------------------------------------------------------------------

    def qd(
        self, *arguments: str, stdin: str | bytes = "", timeout: float = 60
    ) -> subprocess.CompletedProcess[str]:
        """Runs `qd` against it and returns what it printed."""
        given = stdin.encode() if isinstance(stdin, str) else stdin
        done = subprocess.run(
            [str(QD), *arguments],
            env=self.environment,
            cwd=self.folder,
            input=given,
            capture_output=True,
            timeout=timeout,
            check=False,
        )
        out, err = done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
        assert "Traceback" not in err, err
        return subprocess.CompletedProcess(done.args, done.returncode, out, err)

    def put(self, body: Mapping[str, Any], **query: str) -> httpx.Response:
        """Applies a manifest over REST and returns the answer, whatever it is."""
        path = f"{TENANT}/{PLURALS[body['kind']]}/{body['metadata']['name']}"
        return self.http.put(path, json=body, params=query)

    def apply(self, *bodies: Mapping[str, Any]) -> None:
        """Applies manifests that are right."""
        for body in bodies:
            answer = self.put(body)
            assert answer.status_code in (200, 201), answer.text

    def get(self, path: str, **query: Any) -> Any:
        """Reads a path below the tenant."""
        answer = self.http.get(f"{TENANT}/{path}", params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, body: Any = None) -> httpx.Response:
        """Posts to a path below the tenant and returns the answer, whatever it is."""
        return self.http.post(f"{TENANT}/{path}", json=body)

    def start_run(self, kind: str, name: str, value: Any = None, **more: Any) -> str:
        """Starts a run and returns its id."""
        answer = self.post("runs", {"kind": kind, "name": name, "input": value, **more})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def run(self, run_id: str) -> dict[str, Any]:
        """Reads a run."""
        return dict(self.get(f"runs/{run_id}"))

    def wait(self, run_id: str, *states: str, timeout: float = 30.0) -> dict[str, Any]:
        """Waits until a run is in one of `states` (over, by default) and returns it."""
        wanted, seen = states or OVER, {}

        def reached() -> bool:
            nonlocal seen
            seen = self.run(run_id)
            return seen["state"] in wanted

        until(reached, timeout, f"run {run_id} to be {' or '.join(wanted)}", lambda: seen)
        return seen

    def go(self, kind: str, name: str, value: Any = None, timeout: float = 30.0) -> dict[str, Any]:
        """Starts a run and waits for its end."""
        return self.wait(self.start_run(kind, name, value), timeout=timeout)

    def journal(self, run_id: str) -> list[dict[str, Any]]:
        """Returns a run's journal."""
        found: list[dict[str, Any]] = []
        while True:
            after = found[-1]["seq"] if found else 0
            page = self.get(f"runs/{run_id}/events", afterSeq=after, limit=500)
            found += page["items"]
            if not page["items"] or not page["continue"]:
                return found

    def condition(self, kind: str, name: str, condition: str) -> dict[str, Any]:
        """Returns a condition of an object, empty while it has none for its present generation."""
        found = self.get(f"{PLURALS[kind]}/{name}")
        for item in (found.get("status") or {}).get("conditions", []):
            current = item.get("observedGeneration", 0) >= found["metadata"].get("generation", 0)
            if item["type"] == condition and current:
                return dict(item)
        return {}

    def serves_others(self, within: float = 15.0) -> None:
        """Asserts that somebody else's run begins, calls its tool and ends well, right now."""
        began = time.monotonic()
        run = self.go("Workflow", "neighbour", {"text": "good morning"}, timeout=within)
        assert run["state"] == "succeeded", run
        assert run["output"] == {"text": "good morning"}, run
        assert time.monotonic() - began < within


NEIGHBOUR: Sequence[Mapping[str, Any]] = (
    local_server("friendly", HERE / "servers/friendly.py", tools=[{"name": "echo", "effect": "readOnly"}]),
    tool_workflow("neighbour", "friendly", "echo", "text"),
)
"""Somebody else's work: it must go on whatever a test does."""


def until(ready: Callable[[], Any], timeout: float, what: str, more: Callable[[], Any] = lambda: "") -> None:
    """Waits until `ready` is true; fails with `what` after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not ready():
        assert time.monotonic() < deadline, f"waited {timeout} s for {what}; {more()}"
        time.sleep(0.03)


def error_of(run: Mapping[str, Any], state: str = "failed") -> dict[str, Any]:
    """Returns the error of a run that ended as `state`, after checking that it says what and where."""
    assert run["state"] == state, run
    error = dict(run["error"])
    assert error["class"], error
    assert len(error["message"]) < 8_000, f"{len(error['message'])} characters are no clear error"
    return error


def problem_of(answer: httpx.Response, status: int) -> dict[str, Any]:
    """Returns the problem of a refused request, after checking its form."""
    assert answer.status_code == status, (answer.status_code, answer.text[:2000])
    assert answer.headers["content-type"].startswith("application/problem+json"), answer.headers
    problem = dict(answer.json())
    assert problem["detail"], problem
    assert problem["reason"], problem
    assert len(answer.content) < 64 * 1024, f"{len(answer.content)} bytes are no clear error"
    return problem


class Model:
    """A model provider on loopback that answers as the test says; it speaks the real wire format.

    `answers` gives the replies in order; when they are used up, the last one is repeated.
    """

    def __init__(self) -> None:
        self.url = ""
        self._replies: deque[Reply | Fault] = deque([Reply("nothing to say")])
        self._ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop
        self._closing: asyncio.Event
        self.requests: list[Recorded] = []
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self._thread.start()
        assert self._ready.wait(10)

    async def _serve(self) -> None:
        self._loop, self._closing = asyncio.get_running_loop(), asyncio.Event()
        async with WireServer(self._answer) as server:
            self.url = server.url
            self._ready.set()
            await self._closing.wait()

    def _answer(self, request: Recorded) -> Reply | Fault:
        self.requests.append(request)
        return self._replies.popleft() if len(self._replies) > 1 else self._replies[0]

    def answers(self, *replies: Reply | Fault) -> None:
        """Says what is answered from now on."""
        self.requests.clear()
        self._replies = deque(replies)

    def close(self) -> None:
        """Ends it."""
        self._loop.call_soon_threadsafe(self._closing.set)
        self._thread.join(10)
