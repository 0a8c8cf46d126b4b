"""A run goes as a file from one platform to another that has never seen its manifests."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from e2e_kit.client import Client
from e2e_kit.commands import qd, qd_json
from e2e_kit.morning import Morning
from e2e_kit.shapes import OneProcess, Shape, serving


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shape]:
    """Another platform, with nothing on it."""
    with serving(OneProcess(tmp_path_factory.mktemp("elsewhere") / "data")) as shape:
        yield shape


def events(client: Client, run: str) -> list[dict[str, Any]]:
    """What happened in a run: types and times, in order."""
    found = client.items(f"runs/{run}/events", limit=500)
    return [{"type": event["type"], "at": event["at"], "seq": event["seq"]} for event in found]


def test_a_morning_is_read_and_forked_elsewhere(
    morning: Morning, client: Client, elsewhere: Shape, tmp_path: Path
) -> None:
    here, there, file = morning.platform.data_dir, elsewhere.data_dir, tmp_path / "morning.jsonl.gz"
    children = client.items("runs", parent=morning.run, limit=500, orderBy="created")
    ended = next(
        run for run in children if run["state"] == "succeeded" and run["name"] == "match-transaction"
    )
    qd(here, "runs", "export", morning.run, "--to", file)
    said = gzip.decompress(file.read_bytes())
    assert (here / "admin-token").read_text().strip().encode() not in said
    kinds = {
        json.loads(line)["entry"]["kind"] for line in said.splitlines() if b'"type":"definition"' in line
    }
    assert kinds == {"Workflow", "Agent"}  # tool servers and model routes, which name secrets, stay behind

    done = qd_json(there, "runs", "import", file)
    assert done["originalId"] == morning.run and done["artifacts"] > 0
    assert qd_json(there, "runs", "import", file) == done
    with elsewhere.client() as other:
        copy = other.get(f"runs/{done['run']['id']}")
        assert (copy["archived"], copy["state"]) == ("import", "cancelled")  # it waited for people
        assert "it was waiting when it was exported" in copy["reason"]
        assert events(other, copy["id"]) == events(client, morning.run)
        copies = other.items("runs", parent=copy["id"], limit=500, orderBy="created")
        assert [run["name"] for run in copies] == [run["name"] for run in children]
        place = [run["id"] for run in children].index(ended["id"])
        assert copies[place]["output"] == ended["output"]
        effects = other.items(f"runs/{copies[place]['id']}/effects")
        assert [e["state"] for e in effects] == [
            e["state"] for e in client.items(f"runs/{ended['id']}/effects")
        ]
        last = events(other, copies[place]["id"])[-1]
        fork = other.post(f"runs/{copies[place]['id']}/fork", {"beforeSeq": last["seq"]})["run"]["id"]
        forked = other.wait_for_run(fork, lambda run: run["state"] == "succeeded", 30)
        assert forked["output"] == ended["output"]

    (tmp_path / "edited").write_bytes(said.replace(b"matched", b"matchid", 1))
    with pytest.raises(AssertionError, match="is not as it was exported"):
        qd(there, "runs", "import", tmp_path / "edited")
