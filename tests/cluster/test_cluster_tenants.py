"""Tenants with the cluster's own controllers at work: namespaces end, and what is owned is collected."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from cluster_kit.kubectl import get, kubectl
from cluster_kit.tool_server import until

NAME = "suite-shop"
SPACE = f"qd-{NAME}"
KEPT = ("resourcequota/quarterdeck", "networkpolicy/default-deny", "networkpolicy/names-and-platform")


def cluster(*words: str, check: bool = True, given: str | None = None) -> str:
    return kubectl(*words, namespace="", check=check, given=given, timeout=120)


def apply(**spec: Any) -> None:
    thing = {"apiVersion": "quarterdeck.dev/v1alpha1", "kind": "Tenant", "metadata": {"name": NAME}}
    cluster("apply", "--server-side", "-f", "-", given=json.dumps({**thing, "spec": spec}))


def condition(kind: str = "NamespaceReady") -> dict[str, Any]:
    said = cluster("get", "tenant.quarterdeck.dev", NAME, "--ignore-not-found", "-o", "json").strip()
    found = json.loads(said).get("status", {}).get("conditions", []) if said else []
    return next((one for one in found if one["type"] == kind), {})


def says(reason: str, seconds: float = 30) -> str:
    until(lambda: condition().get("reason") == reason, seconds, f"{NAME}: {reason}")
    return str(condition()["message"])


def uid(what: str = f"namespace/{SPACE}", namespace: str = "") -> str:
    """Returns the id of a thing; empty if it is not there."""
    words = ("get", what, "--ignore-not-found", "-o", "jsonpath={.metadata.uid}")
    return kubectl(*words, namespace=namespace, check=False).strip()


@pytest.fixture
def shop() -> Iterator[None]:
    """Whatever becomes of the tenant, nothing of it is left."""
    yield
    cluster("delete", "tenant.quarterdeck.dev", NAME, "--ignore-not-found")
    cluster("delete", "namespace", SPACE, "--ignore-not-found", "--wait=false")
    until(lambda: not uid(), 90, f"{SPACE} is gone")


@pytest.mark.timeout(200)
def test_a_tenant_goes_and_its_namespace_stays_without_its_administrators(shop: None) -> None:
    apply(admins=[{"group": "bookkeepers"}])
    says("NamespaceReady")
    before = uid()
    cluster("delete", "tenant.quarterdeck.dev", NAME)
    until(lambda: not uid("rolebinding/quarterdeck-admins", SPACE), 30, "the binding is collected")
    assert uid() == before
    assert all(uid(one, SPACE) for one in KEPT), "what closes it stays"
    apply()
    says("NamespaceReady")
    assert uid() == before, "a tenant of that name gets it back"


@pytest.mark.timeout(200)
def test_a_tenant_goes_with_its_namespace_and_all_that_is_in_it(shop: None) -> None:
    apply(deletionPolicy="Delete")
    says("NamespaceReady")
    kubectl("create", "configmap", "inside", namespace=SPACE)
    until(lambda: get("namespace", SPACE, namespace="")["metadata"].get("ownerReferences"), 20)
    cluster("delete", "tenant.quarterdeck.dev", NAME)
    until(lambda: not uid(), 60, f"{SPACE} is gone")


@pytest.mark.timeout(200)
def test_a_namespace_that_was_deleted_and_is_held_is_named_and_made_anew(shop: None) -> None:
    apply()
    says("NamespaceReady")
    before = uid()
    kubectl("create", "configmap", "held", namespace=SPACE)
    hold = json.dumps({"metadata": {"finalizers": ["example.org/audit"]}})
    kubectl("patch", "configmap", "held", "--type=merge", "-p", hold, namespace=SPACE)
    cluster("delete", "namespace", SPACE, "--wait=false")
    said = says("NamespaceTerminating")
    assert SPACE in said
    assert condition("Ready").get("status") == "False"
    free = json.dumps({"metadata": {"finalizers": None}})
    kubectl("patch", "configmap", "held", "--type=merge", "-p", free, namespace=SPACE)
    until(lambda: uid() not in {"", before}, 60, "another namespace")
    says("NamespaceReady")
    assert all(uid(one, SPACE) for one in KEPT)


@pytest.mark.timeout(200)
def test_a_namespace_of_somebody_else_is_refused_until_it_is_given(shop: None) -> None:
    cluster("create", "namespace", SPACE)
    kubectl(
        "create", "rolebinding", "quarterdeck-admins", "--clusterrole=view", "--user=eve", namespace=SPACE
    )
    apply(admins=[{"group": "bookkeepers"}])
    command = says("NamespaceNotLabelled").rpartition("kubectl ")[2].split()
    assert not any(uid(one, SPACE) for one in KEPT)
    cluster(*command)
    said = says("ControlledByOther")
    assert "rolebinding quarterdeck-admins" in said
    binding = get("rolebinding", "quarterdeck-admins", namespace=SPACE)
    assert [one["name"] for one in binding["subjects"]] == ["eve"], "nothing of his was taken"
    kubectl("delete", "rolebinding", "quarterdeck-admins", namespace=SPACE)
    says("NamespaceReady", 90)
    assert uid("rolebinding/quarterdeck-admins", SPACE)
