"""A support bundle: what is in it, and that nothing planted ever comes out."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from quarterdeck.cli.bundle.parts import log_line
from quarterdeck.cli.bundle.redaction import cleaned, secrets_of, sentence, without
from quarterdeck.cli.constants import EXIT_FAILED, EXIT_OK
from quarterdeck.cli.main import main

Capture = pytest.CaptureFixture[str]
# Each stands for something that must not leave; none of these words may be in a bundle.
PLANTED = [
    "PLANTEDinstructions", "PLANTEDdescription", "PLANTEDlabel", "PLANTEDannotation", "PLANTEDenv",
    "PLANTEDheader",
    "PLANTEDinput", "PLANTEDquoted", "planted.person@example.com", "PLANTEDpassword", "sk-PLANTEDkey12345678",
    "qd_PLANTEDtoken1234567890", "PLANTEDlogvalue", "PLANTEDquery", "PLANTEDplain", "PLANTEDassigned",
    "PLANTEDcommand", "0123456789abcdef0123456789abcdef0123456789abcdef",
]  # fmt: skip


def planted_agent() -> dict[str, Any]:
    return {
        "apiVersion": "quarterdeck.dev/v1alpha1",
        "kind": "Agent",
        "metadata": {
            "name": "helper",
            "generation": 3,
            "labels": {"owner": "PLANTEDlabel"},
            "annotations": {"note": "PLANTEDannotation"},
        },
        "spec": {
            "description": "PLANTEDdescription",
            "instructions": "Call PLANTEDinstructions, planted.person@example.com",
            "model": {"route": "default", "tier": "standard", "maxTokens": 2048},
            "local": {"command": ["run", "PLANTEDcommand"], "env": {"KEY": "PLANTEDenv"}},
            "remote": {"headers": {"X-Key": "PLANTEDheader"}, "url": "https://u:PLANTEDpassword@host/x"},
            "input": {"schema": {"const": "PLANTEDinput"}},
        },
        "status": {
            "conditions": [
                {
                    "type": "Ready",
                    "status": "False",
                    "reason": "NotFound",
                    "message": "spec.model.route: there is no 'PLANTEDquoted' for planted.person@example.com",
                }
            ]
        },
    }


LOG = [
    {"event": "run.failed", "level": "error", "service": "agent-runtime", "seconds": 3.5,
     "who": "PLANTEDlogvalue"},
    {"event": "GET /x?token=PLANTEDquery", "error": "password=PLANTEDassigned sk-PLANTEDkey12345678 refused"},
    {"event": "connected", "error": "postgresql://user:PLANTEDpassword@host/db went away"},
    {"event": "key 0123456789abcdef0123456789abcdef0123456789abcdef", "trace_id": "ab" * 16},
]  # fmt: skip


def unpacked(path: Path) -> dict[str, bytes]:
    with tarfile.open(path) as archive:
        members = [member for member in archive.getmembers() if member.isfile()]
        found = {member.name.partition("/")[2]: archive.extractfile(member) for member in members}
        return {name: file.read() for name, file in found.items() if file is not None}


@pytest.fixture
def log(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data directory with a log and a token."""
    folder = home / "data"
    (folder / "logs").mkdir(parents=True)
    lines = [json.dumps(line) for line in LOG]
    (folder / "logs/quarterdeck.log").write_text("\n".join([*lines, "PLANTEDplain, not JSON"]) + "\n")
    (folder / "admin-token").write_text("qd_PLANTEDtoken1234567890\n")
    monkeypatch.setenv("QD_DATA_DIR", str(folder))
    return folder


def test_nothing_planted_comes_out(
    gateway: Any, log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setenv("SOME_API_KEY", "helper-secret-value")
    gateway.on("GET /tenants/default/agents", {"items": [planted_agent()], "continue": None})
    run = {"id": "r1", "kind": "Agent", "name": "helper", "state": "failed", "input": {"a": "PLANTEDinput"}}
    gateway.on("GET /tenants/default/runs", {"items": [run], "continue": None})
    path = tmp_path / "bundle.tar.gz"
    assert main(["support-bundle", str(path)]) == EXIT_OK
    assert path.stat().st_mode & 0o077 == 0
    files = unpacked(path)
    whole = b"\n".join(files.values()).decode()
    assert [word for word in [*PLANTED, "helper-secret-value"] if word in whole] == []
    # What helps is there.
    (shown,) = json.loads(files["objects/agents.json"])
    assert shown["metadata"]["name"] == "helper"
    assert shown["spec"]["model"] == {"route": "default", "tier": "standard", "maxTokens": 2048}
    assert shown["status"]["conditions"][0]["reason"] == "NotFound"
    assert "spec.model.route: there is no" in shown["status"]["conditions"][0]["message"]
    first, *_, last = [json.loads(line) for line in files["log.jsonl"].decode().splitlines()]
    assert (first["event"], first["seconds"], first["who"]) == ("run.failed", 3.5, "[15 characters removed]")
    assert last["event"] == "[a line of 23 characters that is not JSON]"
    assert json.loads(files["runs.json"])[0]["state"] == "failed"
    assert json.loads(files["versions.json"])["qd"]
    # One list of what is inside: in the file, and on the screen.
    listed = files["contents.txt"].decode()
    assert {name for name in files if name not in listed} == {"contents.txt"}
    assert listed.rstrip() == capsys.readouterr().out.rstrip()


def test_without_a_platform_it_says_so_and_has_the_rest(
    log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "b.tar.gz"
    assert main(["support-bundle", str(path)]) == EXIT_OK
    files = unpacked(path)
    assert "no platform runs" in files["platform-unreachable.txt"].decode()
    assert {"log.jsonl", "versions.json", "doctor.json"} <= set(files)
    assert main(["support-bundle", str(path)]) == EXIT_FAILED


def test_what_may_leave() -> None:
    assert cleaned({"name": "a b c", "count": 5, "on": True, "x": None}) == {
        "name": "[5 characters removed]",
        "count": 5,
        "on": True,
        "x": None,
    }
    assert cleaned({"labels": {"a": "b"}}) == {"labels": "[1 entries removed]"}
    assert cleaned({"items": [1] * 201})["items"][-1] == "[1 more]"
    health = {"services": {"registry": {"checks": {"database": "cannot reach 'x'", "bus": "ok"}}}}
    assert cleaned(health)["services"]["registry"]["checks"] == {
        "database": "cannot reach '[removed]'",
        "bus": "ok",
    }
    assert sentence("Authorization: Bearer abc.def") == "Authorization: [removed]"
    assert json.loads(log_line('{"revision": "Agent/a@0123456789ab"}')) == {
        "revision": "Agent/a@0123456789ab"
    }
    assert secrets_of({"QD_DATABASE_URL": "postgresql://u:hidden@h/d", "MY_TOKEN": "t", "A": "b"}) == [
        "t",
        "hidden",
    ]
    assert without(b"x hidden-value y hidden-value", ["hidden-value", "x"]) == b"x [removed] y [removed]"
