"""Every kind, written at the gateway by who may, in a cluster whose API server keeps it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from cluster_kit.kubectl import TENANT, get, kubectl
from e2e_kit.client import Client

from quarterdeck.resources.kinds import KINDS

SAMPLES = Path(__file__).parents[2] / "k8s" / "samples"
NEW_TENANT = "cluster-suite"


def path_of(kind: str, name: str) -> str:
    """Where the gateway has an object."""
    info = KINDS[kind]
    return f"/api/v1/{info.plural}/{name}" if info.cluster_scoped else f"{info.plural}/{name}"


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "Tenant"])
def test_a_sample_is_written_judged_and_deleted(client: Client, kind: str) -> None:
    manifest: dict[str, Any] = yaml.safe_load((SAMPLES / f"{kind.lower()}.yaml").read_text())
    name = manifest["metadata"]["name"] = f"suite-{manifest['metadata']['name']}"
    where = f"{KINDS[kind].plural}.quarterdeck.dev/{name}"
    answer = client.request("PUT", path_of(kind, name), json=manifest)
    assert answer.is_success, answer.text
    try:
        assert client.request("GET", path_of(kind, name)).is_success
        kubectl("wait", "--for=condition=Accepted", "--timeout=10s", where, namespace=TENANT)
    finally:
        gone = client.request("DELETE", path_of(kind, name))
    assert gone.is_success, gone.text
    assert "NotFound" in kubectl("get", where, namespace=TENANT, check=False)


@pytest.fixture
def tenant(client: Client) -> Iterator[str]:
    """A Tenant with an administrator, made at the gateway; its namespace goes with it."""
    spec = {"deletionPolicy": "Delete", "admins": [{"principal": "anna@example.org"}]}
    names = {"apiVersion": "quarterdeck.dev/v1alpha1", "kind": "Tenant", "metadata": {"name": NEW_TENANT}}
    answer = client.request("PUT", f"/api/v1/tenants/{NEW_TENANT}", json=names | {"spec": spec})
    assert answer.is_success, answer.text
    kubectl("wait", "--for=condition=Ready", "--timeout=20s", f"tenants.quarterdeck.dev/{NEW_TENANT}")
    yield f"qd-{NEW_TENANT}"
    client.request("DELETE", f"/api/v1/tenants/{NEW_TENANT}")
    kubectl("delete", "namespace", f"qd-{NEW_TENANT}", "--ignore-not-found", timeout=90)


@pytest.mark.timeout(180)
def test_a_tenant_is_a_namespace_that_is_closed_bounded_and_its_administrators(
    client: Client, tenant: str
) -> None:
    labels = get("namespace", tenant)["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    assert "no" in kubectl("auth", "can-i", "create", "pods", "--as", "nobody", namespace=tenant, check=False)
    for kind in ("resourcequota", "limitrange", "networkpolicy"):
        assert get(kind, namespace=tenant)["items"], kind
    (binding,) = get("rolebindings", namespace=tenant)["items"]
    assert binding["subjects"][0]["name"] == "anna@example.org"

    kubectl("delete", "limitrange", "--all", namespace=tenant)
    deadline = time.monotonic() + 5
    while not get("limitrange", namespace=tenant)["items"]:
        assert time.monotonic() < deadline, "what was deleted by hand did not come back"
        time.sleep(0.1)

    found = client.get(f"/api/v1/tenants/{NEW_TENANT}")
    manifest = {name: found[name] for name in ("apiVersion", "kind")}
    manifest |= {"metadata": {"name": NEW_TENANT}, "spec": found["spec"] | {"admins": []}}
    assert client.request("PUT", f"/api/v1/tenants/{NEW_TENANT}", json=manifest).is_success
    deadline = time.monotonic() + 5
    while get("rolebindings", namespace=tenant)["items"]:
        assert time.monotonic() < deadline, "who is no administrator any more has kept the role"
        time.sleep(0.1)
