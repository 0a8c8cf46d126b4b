"""What the deployment works on while it is being broken: runs that post to the outside ledger."""

from __future__ import annotations

import sys
import threading
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

API = "quarterdeck.dev/v1alpha1"
POSTER = Path(__file__).resolve().parents[1] / "servers/poster.py"
# Entries that one whole run posts: two of its own and one for each child.
CHILDREN = 3
# Seconds that the ledger takes to answer after it has written: calls in flight to be killed in.
PAUSE = 0.2
WAIT = "1s"


def manifests(ledger_url: str) -> list[dict[str, Any]]:
    """Returns what is applied: the tool server, its policy, a parent and a child workflow."""
    local = {"command": [sys.executable, str(POSTER)], "env": {"OUTSIDE_LEDGER_URL": ledger_url}}
    tools = [
        {"name": "look", "effect": "readOnly"},
        {"name": "post", "effect": "write", "onUncertain": "ask"},
    ]
    limits = {"concurrency": 64}
    rule = {"name": "all", "match": {"tools": ["outside/*"]}, "effect": "allow"}
    return [
        _object("MCPServer", "outside", {"local": local, "tools": tools, "limits": limits}),
        _object("Policy", "all", {"rules": [rule]}),
        _object("Workflow", "one", {"nodes": [_post("post", "item")]}),
        _object("Workflow", "batch", {"nodes": _batch()}),
    ]


def _batch() -> list[dict[str, Any]]:
    look = {"server": "outside", "name": "look", "arguments": {"text": "${run.id}"}}
    each = {"items": f"${{{list(range(CHILDREN))}}}", "workflow": "one", "input": {"number": "${item}"}}
    return [
        {"name": "look", "tool": look, "next": [{"to": "first"}]},
        {**_post("first", "first"), "next": [{"to": "rest"}]},
        {"name": "rest", "wait": {"duration": WAIT}, "next": [{"to": "each"}]},
        {"name": "each", "map": each, "next": [{"to": "last"}]},
        _post("last", "last"),
    ]


def _post(node: str, what: str) -> dict[str, Any]:
    arguments = {"entry": "${run.id}/" + what, "pause": PAUSE}
    return {"name": node, "tool": {"server": "outside", "name": "post", "arguments": arguments}}


def _object(kind: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": API, "kind": kind, "metadata": {"name": name}, "spec": spec}


@dataclass(slots=True)
class Load:
    """Starts a run every `period` seconds until it is stopped, and notes which were accepted.

    A request whose answer is lost is repeated with the same Idempotency-Key, as a client would.
    """

    url: str
    token: str
    period: float
    accepted: list[str] = field(default_factory=list)
    refused: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Begins."""
        self._thread = threading.Thread(target=self._run, name="load", daemon=True)
        self._thread.start()

    def wait_for(self, runs: int, seconds: float = 120.0) -> None:
        """Waits until so many runs were accepted. Raises AssertionError if it takes longer."""
        deadline = time.monotonic() + seconds
        while len(self.accepted) < runs:
            assert time.monotonic() < deadline, f"{len(self.accepted)} runs accepted within {seconds:g} s"
            time.sleep(0.05)

    def stop(self) -> None:
        """Ends after the start that is under way was accepted."""
        self._stop.set()
        assert self._thread is not None
        self._thread.join(120)

    def _run(self) -> None:
        headers = {"Authorization": f"Bearer {self.token}"}
        with httpx.Client(base_url=self.url, headers=headers, timeout=15) as http:
            while not self._stop.is_set():
                began = time.monotonic()
                self.accepted.append(self._start_one(http))
                self._stop.wait(max(0.0, self.period - (time.monotonic() - began)))

    def _start_one(self, http: httpx.Client) -> str:
        key = {"Idempotency-Key": str(uuid.uuid4())}
        body = {"kind": "Workflow", "name": "batch", "input": {}}
        while True:
            try:
                answer = http.post("/api/v1/tenants/default/runs", json=body, headers=key)
                if answer.is_success:
                    return str(answer.json()["id"])
                if answer.status_code < 500 and answer.status_code not in (409, 429):
                    raise AssertionError(f"a start was refused: {answer.text}")
            except httpx.TransportError:
                pass
            self.refused += 1
            time.sleep(0.2)
