"""Requests at the gateway all the time, each counted: what clients notice of what is done to pods."""

from __future__ import annotations

import threading
import time
from collections import Counter

import httpx
from e2e_kit.client import tenant_path

REQUESTS = (
    ("GET", "runs?limit=5", None),
    ("GET", "workflows", None),
    ("GET", "tools", None),
    ("POST", "runs", {"kind": "Workflow", "name": "cluster-counting", "input": {"limit": 1}}),
)


class Knocking:
    """See the module. A context manager; `failures` is what was not answered as it should have been.

    Half of the requests come over connections that are kept, half over new ones.
    """

    def __init__(self, url: str, token: str, pause: float = 0.1) -> None:
        self._url = url
        self._headers = {"Authorization": f"Bearer {token}"}
        self._pause = pause
        self._stopped = threading.Event()
        self._threads = [
            threading.Thread(target=self._knock, args=(kept,), daemon=True) for kept in (True, False)
        ]
        self.answered: Counter[str] = Counter()
        self.failures: list[str] = []

    def __enter__(self) -> Knocking:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join(40)

    def _knock(self, kept: bool) -> None:
        limits = httpx.Limits(max_keepalive_connections=1 if kept else 0)
        with httpx.Client(base_url=self._url, headers=self._headers, timeout=30, limits=limits) as client:
            while not self._stopped.is_set():
                for method, path, body in REQUESTS:
                    self._ask(client, method, path, body)
                    self._stopped.wait(self._pause)

    def _ask(self, client: httpx.Client, method: str, path: str, body: object) -> None:
        name, began = f"{method} {path}", time.time()
        try:
            answer = client.request(method, tenant_path(path), json=body)
        except httpx.TransportError as error:
            self.failures.append(f"{began:.1f} {name}: {error!r}")
            return
        if answer.is_success:
            self.answered[name] += 1
        else:
            self.failures.append(f"{began:.1f} {name}: {answer.status_code} {answer.text[:300]}")
