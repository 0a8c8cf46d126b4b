"""Secrets of tool servers: read while a server names them, by the one account that needs them."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest
from cluster_kit.kubectl import NAMESPACE, TENANT, kubectl
from cluster_kit.tool_server import ToolServer, until

SECRET, OTHER = "suite-keys", "suite-other-keys"
READER = f"system:serviceaccount:{NAMESPACE}:mcp-controller"
HASH = "quarterdeck.dev/secrets-hash"
NAMED = [{"name": "KEY", "secretRef": {"secret": {"name": SECRET, "key": "key"}}}]


def keep(name: str, value: str) -> None:
    data = {"key": base64.b64encode(value.encode()).decode()}
    meta = {"name": name, "namespace": TENANT}
    thing: dict[str, Any] = {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "data": data}
    kubectl("apply", "--server-side", "-f", "-", given=json.dumps(thing), namespace=TENANT)


@pytest.fixture
def server() -> Iterator[ToolServer]:
    made = ToolServer("suite-secrets")
    keep(SECRET, "one")
    keep(OTHER, "two")
    yield made
    made.delete()
    kubectl("delete", "secret", SECRET, OTHER, "--ignore-not-found", namespace=TENANT)


def may(verb: str, name: str = "", namespace: str = TENANT, who: str = READER) -> bool:
    what = f"secrets/{name}" if name else "secrets"
    said = kubectl("auth", "can-i", verb, what, "--as", who, namespace=namespace, check=False)
    return said.splitlines()[0] == "yes"


def mark(server: ToolServer) -> str:
    template = server.made("deployment")["spec"]["template"]
    return str(template["metadata"]["annotations"].get(HASH, ""))


@pytest.mark.timeout(300)
def test_a_secret_is_read_while_a_server_names_it_and_rolls_its_pod(server: ToolServer) -> None:
    assert not may("get", SECRET)
    server.apply(secrets=NAMED)
    server.ready()
    (pod,) = server.pods()
    assert server.made("deployment")["metadata"]["generation"] == 1, "its pod was made once"
    first = mark(server)
    assert first and pod["metadata"]["annotations"][HASH] == first
    assert may("get", SECRET)
    assert not may("get", OTHER) and not may("list") and not may("get", SECRET, NAMESPACE)
    writer = READER.replace("mcp-controller", "registry-controller")
    assert not may("get", SECRET, who=writer)
    keep(SECRET, "another")
    until(lambda: mark(server) != first, 90, "the pods roll, with the look that comes every minute")
    server.says("Complete", "Progressing", seconds=90)
    server.apply(secrets=[])
    until(lambda: not may("get", SECRET), 30, "what nobody names may nobody read")


def test_no_account_of_ours_may_read_a_secret_that_nobody_names() -> None:
    for account in ("gateway", "registry", "registry-controller", "mcp-manager", "mcp-controller"):
        who = f"system:serviceaccount:{NAMESPACE}:{account}"
        assert not may("get", "administrator", NAMESPACE, who), account
        assert not may("list", namespace=TENANT, who=who), account
