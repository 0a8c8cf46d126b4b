"""People and programs at the door by their Kubernetes tokens, allowed what the cluster's roles say."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from cluster_kit.door import url
from cluster_kit.kubectl import TENANT, kubectl

WHO = "suite-viewer"
RUNS = "/api/v1/tenants/default/runs"


@pytest.fixture(scope="module", autouse=True)
def viewer() -> Iterator[None]:
    """An account in the tenant's namespace that may look."""
    made = (("serviceaccount", WHO), ("rolebinding", WHO))
    kubectl("create", "serviceaccount", WHO, namespace=TENANT)
    role = ("--clusterrole=quarterdeck-viewer", f"--serviceaccount={TENANT}:{WHO}")
    kubectl("create", "rolebinding", WHO, *role, namespace=TENANT)
    yield
    for kind, name in made:
        kubectl("delete", kind, name, "--ignore-not-found", namespace=TENANT)


def token(*words: str) -> str:
    return kubectl("create", "token", WHO, *words, namespace=TENANT).strip()


def status(method: str, of: str, json: object = None) -> int:
    headers = {"Authorization": f"Bearer {of}"}
    return httpx.request(method, url() + RUNS, headers=headers, timeout=30, json=json).status_code


def test_a_viewer_looks_and_starts_nothing() -> None:
    mine = token("--audience=quarterdeck")
    assert status("GET", mine) == 200
    assert status("POST", mine, json={"kind": "Agent", "name": "any", "input": {}}) == 403


def test_a_token_that_is_not_meant_for_us_is_refused() -> None:
    assert status("GET", token()) == 401
    assert status("GET", token("--audience=elsewhere")) == 401
