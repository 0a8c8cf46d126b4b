"""Which run the demo shows, and which model it says answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from quarterdeck.cli.api import Api
from quarterdeck.cli.constants import EXIT_RUN_FAILED, EXIT_TIMEOUT
from quarterdeck.cli.contexts import resolve
from quarterdeck.cli.demo.example import Example
from quarterdeck.cli.demo.screen import PlainScreen
from quarterdeck.cli.demo.story import await_ready, choose_run, model_in_use
from quarterdeck.cli.demo.watching import Watcher
from quarterdeck.cli.errors import CliError

RUNS = "/tenants/default/runs"


@pytest.fixture
def example(tmp_path: Path) -> Example:
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    (tmp_path / "input.json").write_text(json.dumps({"statement": "m/s.xml"}))
    found = Example(tmp_path, data_dir)
    found.ledger.touch()
    return found


def runs_of(gateway: Any, make_answer: Any, *runs: dict[str, Any]) -> None:
    """Lets the gateway list `runs`, by state, and start a new one."""

    def listed(request: Any) -> Any:
        states = request.query.get("state", "").split(",")
        found = [run for run in runs if states == [""] or run["state"] in states]
        return make_answer({"items": found[: int(request.query["limit"])]})

    gateway.on(f"GET {RUNS}", listed)
    gateway.on(f"POST {RUNS}", make_answer({"id": "new", "state": "pending"}, 201))


@pytest.mark.parametrize("state", ["running", "waiting"])
def test_an_open_run_goes_on_with_its_ledger(
    gateway: Any, make_answer: Any, example: Example, state: str
) -> None:
    runs_of(gateway, make_answer, {"id": "old", "state": state})
    with Api(resolve()) as api:
        chosen = choose_run(api, example, fresh=False)
    assert (chosen.run["id"], chosen.went_on) == ("old", True)
    assert example.ledger.exists()
    assert gateway.sent("POST") == []


def test_after_a_completed_run_a_new_one_begins_on_a_fresh_ledger(
    gateway: Any, make_answer: Any, example: Example
) -> None:
    runs_of(gateway, make_answer, {"id": "old", "state": "succeeded"})
    with Api(resolve()) as api:
        chosen = choose_run(api, example, fresh=False)
    assert (chosen.run["id"], chosen.went_on) == ("new", False)
    assert not example.ledger.exists()
    assert (example.data_dir / "ledgers" / "old.db").exists()
    body = gateway.sent("POST")[0].body
    assert (body["key"], body["keyConflict"], body["input"]) == ("demo", "join", {"statement": "m/s.xml"})


def test_to_begin_anew_the_open_run_is_ended_first(gateway: Any, make_answer: Any, example: Example) -> None:
    old = {"id": "old", "state": "waiting"}
    runs_of(gateway, make_answer, old)

    def cancel(_request: Any) -> Any:
        assert example.ledger.exists()
        old["state"] = "cancelled"
        return make_answer(old)

    gateway.on(f"POST {RUNS}/old/cancel", cancel)
    gateway.on(f"GET {RUNS}/old", lambda _request: make_answer(old))
    with Api(resolve()) as api:
        assert choose_run(api, example, fresh=True).run["id"] == "new"
    assert (example.data_dir / "ledgers" / "old.db").exists()


def test_a_quarantined_run_is_told_instead_of_waited_for(gateway: Any, make_answer: Any) -> None:
    root = {"id": "r", "state": "waiting", "rootRunId": "r", "name": "w"}
    child = {
        "id": "c",
        "parentRunId": "r",
        "rootRunId": "r",
        "state": "quarantined",
        "name": "m",
        "reason": "three",
    }
    runs_of(gateway, make_answer, root, child)
    gateway.on(f"GET {RUNS}/r", root)
    gateway.on(f"GET {RUNS}/r/events", {"items": []})
    with Api(resolve()) as api, pytest.raises(CliError, match=r"run c \(m\) is quarantined: three") as caught:
        Watcher(api, "r", PlainScreen()).watch()
    assert caught.value.code == EXIT_RUN_FAILED


@pytest.mark.parametrize(
    ("tier", "words"),
    [
        (
            {"provider": "playbook", "model": "bookkeeper"},
            "playbook: deterministic rules, not a language model",
        ),
        ({"provider": "anthropic", "model": "claude"}, "anthropic claude"),
    ],
)
def test_the_model_is_named(gateway: Any, tier: dict[str, str], words: str) -> None:
    gateway.on("GET /tenants/default/models", {"items": [{"route": "default", "problem": None, **tier}]})
    with Api(resolve()) as api:
        assert model_in_use(api) == words


def test_no_model_is_an_error_with_its_reason(gateway: Any) -> None:
    gateway.on("GET /tenants/default/models", {"items": [{"route": "default", "problem": "no key"}]})
    with Api(resolve()) as api, pytest.raises(CliError, match="no key"):
        model_in_use(api)


def test_what_does_not_get_ready_is_named_with_its_reason(gateway: Any) -> None:
    from quarterdeck.cli.applying import Applied
    from quarterdeck.cli.manifests import read_manifests

    Path("a.yaml").write_text(
        "apiVersion: quarterdeck.dev/v1alpha1\nkind: Agent\nmetadata: {name: a}\nspec: {instructions: x}\n"
    )
    (manifest,) = read_manifests(["a.yaml"])
    condition = {"type": "Ready", "status": "False", "message": "tool missing"}
    gateway.on("GET /tenants/default/agents/a", {"status": {"conditions": [condition]}})
    with Api(resolve()) as api, pytest.raises(CliError) as caught:
        await_ready(api, [Applied(manifest, "created", {})], timeout=0.2)
    assert caught.value.code == EXIT_TIMEOUT
    assert caught.value.details == ("agent/a: tool missing",)
