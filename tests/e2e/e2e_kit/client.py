"""A client of the REST API that hides nothing: answers with status and headers, and streams as they come."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from e2e_kit.process import pause

ENDED = ("succeeded", "failed", "cancelled", "timed-out", "quarantined")


@dataclass(frozen=True, slots=True)
class StreamEvent:
    """One server-sent event; `id` is empty when it has none."""

    id: str
    type: str
    data: Any


class Client:
    """The administrator of the tenant `default`."""

    def __init__(self, url: str, token: str) -> None:
        self.url = url
        self.http = httpx.Client(base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=30)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def request(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, **more: Any
    ) -> httpx.Response:
        """Sends a request below the tenant's path."""
        return self.http.request(method, tenant_path(path), headers=headers, **more)

    def get(self, path: str, **query: Any) -> Any:
        """Returns the JSON of a GET that must succeed."""
        return _expect(self.request("GET", path, params=query))

    def post(self, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Any:
        """Returns the JSON of a POST that must succeed."""
        return _expect(self.request("POST", path, json=body, headers=headers))

    def items(self, path: str, **query: Any) -> list[dict[str, Any]]:
        """Returns the items of all pages of a list."""
        found: list[dict[str, Any]] = []
        token = ""
        while True:
            page = self.get(path, **query, **({"continue": token} if token else {}))
            found += page["items"]
            token = page["continue"] or ""
            if not token:
                return found

    def stream(self, path: str, after: str = "", body: Any = None, **query: Any) -> Iterator[StreamEvent]:
        """Yields the events of a stream, after the id of one that was seen; a body makes it a POST.

        It yields nothing more once the server closes the stream; closing the iterator closes the stream.
        """
        headers = {"Accept": "text/event-stream", **({"Last-Event-ID": after} if after else {})}
        method = "GET" if body is None else "POST"
        with self.http.stream(
            method, tenant_path(path), headers=headers, params=query, json=body
        ) as response:
            if response.is_error:
                response.read()
            assert response.status_code == 200, response.text
            assert response.headers["content-type"].startswith("text/event-stream")
            yield from _events(response.iter_lines())

    def wait_for_run(
        self, run: str, done: Callable[[dict[str, Any]], bool], seconds: float
    ) -> dict[str, Any]:
        """Reads a run until `done` says so. Raises AssertionError if it takes longer."""
        deadline = time.monotonic() + seconds
        while True:
            found: dict[str, Any] = self.get(f"runs/{run}")
            if done(found):
                return found
            assert time.monotonic() < deadline, f"the run did not get there within {seconds} s: {found}"
            pause()

    def wait_until_only_people(self, run: str, seconds: float) -> None:
        """Waits until every open run of a tree waits for a person, or for one that does.

        Raises AssertionError if the tree ends or it takes longer.
        """
        deadline = time.monotonic() + seconds
        calm = 0
        while calm < 2:
            assert time.monotonic() < deadline, f"run {run} did not come to rest within {seconds} s"
            assert self.get(f"runs/{run}")["state"] not in ENDED, self.get(f"runs/{run}")
            calm = calm + 1 if self.only_people(run) else 0
            pause()

    def only_people(self, run: str) -> bool:
        """True if every open run of a tree waits for a person, or for one that does."""
        found = self.items("runs", state="pending,running,waiting,quarantined", limit=500)
        tree = [one for one in found if run in (one["id"], one["rootRunId"])]
        parents = {one["parentRunId"] for one in tree}
        leaves = [one for one in tree if one["id"] not in parents]
        return all(one["state"] == "waiting" and one["openApprovals"] for one in leaves)


def tenant_path(path: str) -> str:
    """Returns a path below the tenant `default`; one that begins with a slash is left as it is."""
    return path if path.startswith("/") else f"/api/v1/tenants/default/{path}"


def _expect(response: httpx.Response) -> Any:
    assert response.is_success, f"{response.request.method} {response.url}: {response.text}"
    return response.json()


def _events(lines: Iterator[str]) -> Iterator[StreamEvent]:
    found: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        if line and name:
            found[name] = found.get(name, "") + value.removeprefix(" ")
        elif not line and "data" in found:
            yield StreamEvent(found.get("id", ""), found.get("event", ""), json.loads(found["data"]))
        if not line:
            found = {}
