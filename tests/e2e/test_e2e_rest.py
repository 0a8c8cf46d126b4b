"""REST on a real platform: pages, filters, order, repeated requests, and errors that say what to do."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from e2e_kit.client import Client
from e2e_kit.morning import Morning

HERE = Path(__file__).resolve().parent


def ids(items: list[dict[str, Any]]) -> list[str]:
    """The ids of runs."""
    return [item["id"] for item in items]


def test_a_list_comes_in_pages_without_gaps_or_repeats(client: Client, morning: Morning) -> None:
    whole = client.items("runs", parent=morning.run, limit=500)
    first = client.get("runs", parent=morning.run, limit=7)
    assert len(first["items"]) == 7
    assert first["continue"]
    assert ids(client.items("runs", parent=morning.run, limit=7)) == ids(whole)
    assert len(set(ids(whole))) == len(whole) > 14


def test_runs_sort_by_time_in_both_directions(client: Client, morning: Morning) -> None:
    newest = client.items("runs", parent=morning.run, limit=500, orderBy="-created")
    oldest = client.items("runs", parent=morning.run, limit=500, orderBy="created")
    assert ids(oldest) == ids(newest)[::-1]
    times = [run["createdAt"] for run in oldest]
    assert times == sorted(times)


def test_runs_are_filtered_by_what_they_are_and_how_they_stand(client: Client, morning: Morning) -> None:
    children = client.items("runs", parent=morning.run, limit=500)
    extracts = client.items("runs", parent=morning.run, name="extract-invoice", kind="Workflow")
    assert ids(extracts) == [run["id"] for run in children if run["name"] == "extract-invoice"]
    waiting = client.items("runs", parent=morning.run, state="waiting")
    assert ids(waiting) == [run["id"] for run in children if run["state"] == "waiting"]
    both = client.items("runs", parent=morning.run, state="waiting,succeeded", limit=500)
    assert ids(both) == ids(children)
    assert {run["parentRunId"] for run in client.items("runs", roots="true")} == {None}


@pytest.mark.parametrize(
    ("selector", "found"),
    [
        ("suite=e2e", True),
        ("suite", True),
        ("suite in (e2e,other)", True),
        ("suite!=e2e", False),
        ("!suite", False),
        ("suite=e2e,stage=none", False),
    ],
)
def test_runs_are_filtered_by_labels(client: Client, morning: Morning, selector: str, found: bool) -> None:
    listed = ids(client.items("runs", roots="true", labelSelector=selector))
    assert (morning.run in listed) is found


def test_resources_page_filter_and_sort(client: Client, morning: Morning) -> None:
    mine = {"labelSelector": "example=invoice-matching"}
    names = [item["metadata"]["name"] for item in client.items("workflows", **mine, orderBy="name", limit=2)]
    assert names == ["extract-invoice", "invoice-matching", "match-transaction"]
    backwards = client.items("workflows", **mine, orderBy="-name")
    assert [item["metadata"]["name"] for item in backwards] == names[::-1]
    assert client.items("workflows", labelSelector="example=another") == []


def test_a_run_is_started_once_however_often_it_is_asked_for(client: Client, morning: Morning) -> None:
    key = {"Idempotency-Key": str(uuid.uuid4())}
    wish = {"kind": "Workflow", "name": "extract-invoice", "input": {"path": "none.pdf", "company": "none"}}
    first = client.post("runs", wish, key)
    assert client.post("runs", wish, key)["id"] == first["id"]

    other = client.request("POST", "runs", json={**wish, "labels": {"another": "wish"}}, headers=key)
    assert other.status_code in (409, 422)
    assert "Idempotency" in other.text


def test_a_repeated_post_gets_the_first_answer(client: Client, morning: Morning) -> None:
    key = {"Idempotency-Key": str(uuid.uuid4())}
    first = client.request("POST", "tools/ledger/summary/call", json={"arguments": {}}, headers=key)
    again = client.request("POST", "tools/ledger/summary/call", json={"arguments": {}}, headers=key)
    assert first.status_code == again.status_code == 200
    assert again.json() == first.json()
    assert again.headers["Idempotency-Replayed"] == "true"
    assert "Idempotency-Replayed" not in first.headers


def require_problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    """Checks that an answer is a complete problem and returns it."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].startswith("application/problem+json")
    problem: dict[str, Any] = answer.json()
    assert problem["status"] == status
    assert {"type", "title", "detail", "instance", "reason"} <= problem.keys()
    return problem


def test_what_is_not_there_is_a_problem(client: Client, morning: Morning) -> None:
    missing = require_problem(client.request("GET", f"runs/{uuid.uuid4()}"), 404)
    assert "no run" in missing["detail"]
    require_problem(client.request("GET", "workflows/none"), 404)
    require_problem(client.request("GET", "unicorns"), 404)
    require_problem(client.request("GET", "/api/v1/nothing"), 404)
    require_problem(client.request("GET", "/api/v1/tenants/nobody/runs"), 404)


def test_nobody_is_served_without_a_token(client: Client) -> None:
    for header in ({}, {"Authorization": "Bearer qd_wrong"}):
        answer = httpx.get(f"{client.url}/api/v1/tenants/default/runs", headers=header)
        require_problem(answer, 401)
        assert answer.headers["www-authenticate"].startswith("Bearer")


def test_a_wrong_query_names_its_field(client: Client) -> None:
    problem = require_problem(client.request("GET", "runs", params={"limit": 0}), 400)
    assert "limit" in str(problem["field"])
    problem = require_problem(client.request("GET", "runs", params={"orderBy": "colour"}), 400)
    assert problem["field"] == "orderBy"


def test_a_wrong_manifest_names_the_field(client: Client, morning: Morning) -> None:
    manifest = yaml.safe_load((HERE / "manifests" / "counting.yaml").read_text())
    manifest["spec"]["nodes"][0]["maxVisit"] = 3
    answer = client.request("PUT", "workflows/counting", json=manifest)
    problem = require_problem(answer, answer.status_code)
    assert answer.status_code in (400, 422)
    assert "maxVisit" in answer.text
    assert "nodes" in problem["field"] or any("nodes" in item["field"] for item in problem["violations"])


def test_an_input_that_breaks_the_schema_names_the_field(client: Client, morning: Morning) -> None:
    wish = {"kind": "Workflow", "name": "invoice-matching", "input": {"statement": 7}}
    answer = client.request("POST", "runs", json=wish)
    problem = require_problem(answer, 400)
    assert "input" in problem["field"] or any("input" in item["field"] for item in problem["violations"])


def test_a_batch_starts_what_it_can_once(client: Client, morning: Morning) -> None:
    runs = [{"kind": "Workflow", "name": "nobody"}, *({"kind": "Workflow", "name": "e2e-batch"},) * 3]
    node = {"name": "a", "transform": {"output": "${input}"}}
    manifest = {
        "apiVersion": "quarterdeck.dev/v1alpha1",
        "kind": "Workflow",
        "metadata": {"name": "e2e-batch"},
        "spec": {"nodes": [node]},
    }
    assert client.request("PUT", "workflows/e2e-batch", json=manifest).is_success
    headers = {"Idempotency-Key": "e2e-batch-1"}
    answers = [client.post("runs/batch", {"runs": runs}, headers) for _ in range(2)]
    for answer, existed in zip(answers, (False, True), strict=True):
        unknown, *started = answer["items"]
        assert (unknown["error"]["status"], unknown["id"]) == (404, None)
        assert [item["existed"] for item in started] == [existed] * 3
    assert ids(answers[0]["items"][1:]) == ids(answers[1]["items"][1:])
