"""Memory calls all the time, each asked again until it is answered: how long it took, what is there."""

from __future__ import annotations

import contextlib
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

from e2e_kit.client import Client

from cluster_kit.kubectl import TENANT, kubectl
from cluster_kit.stamping import ended, patient

MANIFEST = Path(__file__).parents[1] / "manifests" / "remembering.yaml"
COLLECTION = "cluster-notes"
WORKFLOW = "cluster-remembering"
# Seconds for which a call is asked again.
PATIENCE = 90.0
# So many calls from outside for each run that makes two.
OUTSIDE = 4


@contextlib.contextmanager
def notes() -> Iterator[None]:
    """The collection and the workflow, Ready; gone in the end."""
    try:
        kubectl("apply", "-f", str(MANIFEST), namespace=TENANT)
        for thing in (
            f"memorycollections.quarterdeck.dev/{COLLECTION}",
            f"workflows.quarterdeck.dev/{WORKFLOW}",
        ):
            kubectl("wait", "--for=condition=Ready", "--timeout=60s", thing, namespace=TENANT, timeout=70)
        yield
    finally:
        kubectl("delete", "-f", str(MANIFEST), "--ignore-not-found", namespace=TENANT, timeout=120)


class Remembering:
    """A context manager: saves and searches from outside, and by runs, until it is left.

    Attributes:
        waits: seconds until each call from outside was answered.
        failures: what was not, and what else came.
        runs: those that were started, by the note that each saves.
    """

    def __init__(self, url: str, token: str) -> None:
        self._client = Client(url, token)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._remember, daemon=True)
        self.name = f"note-{uuid.uuid4().hex[:8]}"
        self.saved: list[str] = []
        self.runs: dict[str, str] = {}
        self.waits: list[float] = []
        self.failures: list[str] = []

    def __enter__(self) -> Remembering:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join(PATIENCE + 30)

    def _remember(self) -> None:
        turn = 0
        while not self._stopped.wait(0.2):
            turn += 1
            try:
                self._once(f"{self.name}-{turn}", by_run=turn % (OUTSIDE + 1) == 0)
            except AssertionError as error:
                self.failures.append(f"{time.time():.1f} {error}")

    def _once(self, note: str, *, by_run: bool) -> None:
        if by_run:
            body = {"kind": "Workflow", "name": WORKFLOW, "input": {"id": note}, "key": note}
            self.runs[note] = str(patient(self._client, "POST", "runs", body, PATIENCE)["id"])
            return
        began = time.monotonic()
        item = {"id": note, "text": f"a note called {note}"}
        patient(self._client, "POST", f"memories/{COLLECTION}", {"items": [item]}, PATIENCE)
        self.saved.append(note)
        query = {"query": item["text"], "limit": 3}
        patient(self._client, "POST", f"memories/{COLLECTION}/search", query, PATIENCE)
        self.waits.append(time.monotonic() - began)

    def judge(self, seconds: float) -> str:
        """Returns in words what became of it. Raises AssertionError for what failed, is lost or doubled."""
        deadline = time.monotonic() + seconds
        ends = {note: ended(self._client, run, deadline) for note, run in self.runs.items()}
        others = {note: one["state"] for note, one in ends.items() if one["state"] != "succeeded"}
        assert (self.failures, others) == ([], {})
        assert self.runs and self.saved
        lost = [note for note in (*self.saved, *self.runs) if not self._is_there(note)]
        assert lost == [], "said to be saved"
        held = patient(self._client, "GET", f"memories/{COLLECTION}")["items"]
        mine = len(self.saved) + len(self.runs)
        assert held >= mine
        return (
            f"{2 * len(self.waits)} memory calls from outside and {len(self.runs)} runs with two each: "
            f"none failed, all {mine} notes are there; the longest wait was {max(self.waits):.1f} s"
        )

    def _is_there(self, note: str) -> bool:
        return self._client.request("GET", f"memories/{COLLECTION}/{note}").is_success
