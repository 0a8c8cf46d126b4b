"""What is made for a tool server, edited, deleted, orphaned, held in deletion or somebody else's.

On real pods, with the cluster's own controllers beside ours, such as the garbage collector.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from cluster_kit.kubectl import TENANT, get, kubectl
from cluster_kit.tool_server import IMAGE, MADE, ToolServer, until

HOLD = "example.org/audit"


def tenants(*words: str, check: bool = True, given: str | None = None) -> str:
    return kubectl(*words, namespace=TENANT, check=check, given=given, timeout=90)


def patch(what: str, change: dict[str, Any]) -> None:
    tenants("patch", what, "--type=merge", "-p", json.dumps(change))


@pytest.fixture
def server() -> Iterator[ToolServer]:
    """Not applied yet; gone in the end."""
    made = ToolServer("suite-owned")
    yield made
    made.delete()


@pytest.fixture
def running(server: ToolServer) -> ToolServer:
    server.apply()
    server.ready()
    return server


def opened(server: ToolServer) -> bool:
    return {} in server.made("networkpolicy")["spec"].get("ingress", [])


def image(server: ToolServer) -> str:
    (container,) = server.made("deployment")["spec"]["template"]["spec"]["containers"]
    return str(container["image"])


@pytest.mark.timeout(200)
def test_what_was_edited_is_set_back_and_what_was_deleted_is_made_anew(running: ToolServer) -> None:
    before = running.uids()
    assert before.keys() == set(MADE)
    patch(f"networkpolicy/{running.made_name}", {"spec": {"ingress": [{}], "policyTypes": ["Ingress"]}})
    until(lambda: not opened(running), 10, "the policy is closed again")
    tenants("set", "image", f"deployment/{running.made_name}", "*=quarterdeck/registry:dev")
    until(lambda: image(running) == IMAGE, 10, "the image is the declared one")
    patch(f"service/{running.made_name}", {"spec": {"selector": {"app": "somebody"}}})
    until(lambda: running.made("service")["spec"]["selector"].get("app") is None, 10, "the selector")
    for kind in MADE:
        tenants("delete", kind, running.made_name, "--wait=false")
    until(lambda: running.uids().keys() == set(MADE), 30, "all of it is there again")
    assert not set(running.uids().values()) & set(before.values())
    until(lambda: len(running.pods()) == 1, 60, "one pod")
    running.says("Available", seconds=60)


@pytest.mark.timeout(200)
def test_orphans_are_taken_in_again_and_no_pod_is_doubled(running: ToolServer) -> None:
    before, (pod,) = running.uids(), running.pods()
    tenants("delete", running.where, "--cascade=orphan")
    until(lambda: "ownerReferences" not in running.made("deployment")["metadata"], 20, "an orphan")
    assert running.uids() == before, "who deletes so wants them to stay"
    running.apply()
    running.ready()
    for kind in MADE:
        until(lambda kind=kind: "ownerReferences" in running.made(kind)["metadata"], 20, kind)  # type: ignore[misc]
    assert running.uids() == before
    # The Deployment alone, whose ReplicaSet and pod wait for the next one.
    tenants("delete", f"deployment/{running.made_name}", "--cascade=orphan")
    until(lambda: running.uids().get("deployment", before["deployment"]) != before["deployment"], 20)
    running.says("Complete", "Progressing", seconds=60)
    assert [one["metadata"]["uid"] for one in running.pods()] == [pod["metadata"]["uid"]]


@pytest.mark.timeout(200)
def test_a_server_held_in_deletion_says_by_whom_serves_on_and_then_goes(running: ToolServer) -> None:
    patch(running.where, {"metadata": {"finalizers": [HOLD]}})
    tenants("delete", running.where, "--wait=false")
    assert HOLD in running.says("BeingDeleted", "Progressing")
    assert running.condition()["reason"] == "Available" and len(running.pods()) == 1
    patch(running.where, {"metadata": {"finalizers": None}})
    until(lambda: not running.uids() and not running.pods(), 60, "collected")


@pytest.mark.timeout(200)
def test_a_deployment_held_in_deletion_is_named_and_made_anew(running: ToolServer) -> None:
    deployment, before = f"deployment/{running.made_name}", running.uids()["deployment"]
    patch(deployment, {"metadata": {"finalizers": [HOLD]}})
    tenants("delete", deployment, "--wait=false")
    said = running.says("BeingDeleted", "Progressing")
    assert HOLD in said and running.made_name in said
    assert len(running.pods()) == 1, "its pods serve on"
    patch(deployment, {"metadata": {"finalizers": None}})
    until(lambda: running.uids().get("deployment", before) != before, 20, "another one")
    running.says("Complete", "Progressing", seconds=90)


@pytest.mark.timeout(200)
def test_a_deployment_of_somebody_else_is_left_alone_until_it_is_gone(server: ToolServer) -> None:
    """It has the name that ours would have, a pod, and nobody who controls it: helm or a person made it."""
    tenants("create", "deployment", server.made_name, "--image=localhost/busybox:local", "--replicas=0")
    before = server.made("deployment")
    try:
        server.apply()
        said = server.says("NameTaken")
        assert "somebody's own" in said and f"deployment {server.made_name}" in said
        events = get("events", "--field-selector=reason=NameTaken", namespace=TENANT)["items"]
        assert any(one["involvedObject"]["name"] == server.name for one in events)
        after = server.made("deployment")
        assert after["spec"] == before["spec"] and "ownerReferences" not in after["metadata"]
    finally:
        tenants("delete", f"deployment/{server.made_name}", "--ignore-not-found")
    server.ready(120)


@pytest.mark.timeout(200)
def test_what_was_given_away_is_taken(server: ToolServer) -> None:
    kind = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy"}
    theirs = {"podSelector": {"matchLabels": {"app": "old"}}, "policyTypes": ["Ingress"], "ingress": [{}]}
    tenants(
        "create",
        "-f",
        "-",
        given=json.dumps({**kind, "metadata": {"name": server.made_name}, "spec": theirs}),
    )
    server.apply()
    said = server.says("NameTaken")
    command = said.rpartition("`kubectl ")[2].rstrip("`").split()
    kubectl(*command, namespace="")
    server.ready(120)
    assert "app" not in server.made("networkpolicy")["spec"]["podSelector"]["matchLabels"]
    assert not opened(server)
    assert server.made("networkpolicy")["metadata"]["ownerReferences"][0]["name"] == server.name


@pytest.mark.timeout(200)
def test_what_somebody_took_from_us_is_his_and_said_so(running: ToolServer) -> None:
    tenants("create", "configmap", "suite-thief")
    try:
        uid = get("configmap", "suite-thief", namespace=TENANT)["metadata"]["uid"]
        owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "suite-thief", "uid": uid}
        owners = [{**owner, "controller": True}]
        patch(f"service/{running.made_name}", {"metadata": {"ownerReferences": owners}})
        assert "controlled by ConfigMap suite-thief" in running.says("NameTaken")
    finally:
        # What he took goes with him, and is ours to make again.
        tenants("delete", "configmap", "suite-thief", "--ignore-not-found")
    running.says("Available", seconds=90)
