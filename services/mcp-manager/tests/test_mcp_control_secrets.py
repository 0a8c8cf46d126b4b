"""The Secrets of tool servers: read where a Role names them, waited for where none does yet."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from control_support import SECRET, SPEC, Cluster, Replica, eventually

from hack.services.api_server import api_server
from quarterdeck.controller.api.resource import SECRETS
from quarterdeck.controller.objects import ObjectKey
from quarterdeck.controller.testing.control_plane import ControlPlane
from quarterdeck.mcp.control.kinds import DEPLOYMENTS, NETWORK_POLICIES
from quarterdeck.mcp.control.patience import LATEST, SOONEST, Patience, next_look


@pytest.fixture(scope="module")
def plane() -> Iterator[ControlPlane]:
    """An API server of its own: the controller looks at all that is in it."""
    with api_server() as made:
        yield made


def secret(cluster: Cluster, **data: str) -> dict[str, Any]:
    meta = {"name": "keys", "namespace": cluster.namespace}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "data": data}


async def test_a_secret_that_is_missing_is_named_and_one_that_changes_rolls_the_pods(
    cluster: Cluster, controller: Replica
) -> None:
    file = {"path": "/etc/ledger/key", "secret": {"name": "keys", "key": "file"}}
    container = {**SPEC["container"], "secretFiles": [file]}
    await cluster.server("ledger", {"container": container, "secrets": [SECRET]})
    await cluster.may_read("keys")
    assert "'keys'" in (await cluster.until("ledger", "SecretMissing"))["message"]
    meta = {"name": "keys", "namespace": cluster.namespace}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": meta}
    await cluster.client.apply(SECRETS, {**secret, "data": {"k": "b25l"}}, manager="test")

    async def lacks_the_file() -> bool:
        return "spec.container.secretFiles[0].secret" in (await cluster.condition("ledger"))["message"]

    await eventually(lacks_the_file)
    template = (await cluster.made(DEPLOYMENTS, "mcp-ledger"))["spec"]["template"]
    seen = {(template["metadata"].get("annotations") or {}).get("quarterdeck.dev/secrets-hash")}
    for value, text in (("b25l", "b25l"), ("dHdv", "b25l"), ("dHdv", "dHdv")):
        data = {"k": value, "file": text}
        await cluster.client.apply(SECRETS, {**secret, "data": data}, manager="test")

        async def rolled() -> str | None:
            template = (await cluster.made(DEPLOYMENTS, "mcp-ledger"))["spec"]["template"]
            found = (template["metadata"].get("annotations") or {}).get("quarterdeck.dev/secrets-hash")
            return None if found in seen else found

        seen.add(await eventually(rolled))
    await cluster.until("ledger", "Starting")


async def test_pods_wait_for_the_permission_and_are_then_made_once(
    cluster: Cluster, controller: Replica
) -> None:
    await cluster.client.apply(SECRETS, secret(cluster, k="b25l"), manager="test")
    await cluster.server("ledger", {**SPEC, "secrets": [SECRET]})
    said = await cluster.until("ledger", "SecretUnreadable")
    assert "Secret 'keys' may not be read yet: Role quarterdeck-tool-secrets" in said["message"]
    assert (await cluster.condition("ledger", "Progressing"))["reason"] == "SecretUnreadable"
    await cluster.made(NETWORK_POLICIES, "mcp-ledger")
    assert await cluster.get(DEPLOYMENTS, "mcp-ledger") is None
    await cluster.may_read("other")
    await asyncio.sleep(1)
    assert await cluster.get(DEPLOYMENTS, "mcp-ledger") is None, "the Role does not name it"
    await cluster.may_read("keys")
    made = await cluster.made(DEPLOYMENTS, "mcp-ledger")
    assert made["metadata"]["generation"] == 1
    assert made["spec"]["template"]["metadata"]["annotations"]["quarterdeck.dev/secrets-hash"]
    await cluster.until("ledger", "Starting")


async def test_pods_that_serve_go_on_when_the_permission_is_lost(
    cluster: Cluster, controller: Replica
) -> None:
    await cluster.client.apply(SECRETS, secret(cluster, k="b25l"), manager="test")
    await cluster.may_read("keys")
    await cluster.server("ledger", {**SPEC, "secrets": [SECRET]})
    made = await cluster.made(DEPLOYMENTS, "mcp-ledger")
    await cluster.play_deployment_controller("ledger", 1)
    await cluster.until("ledger", "Available")
    await cluster.may_read()
    await cluster.until("ledger", "SecretUnreadable", "Progressing")
    assert (await cluster.condition("ledger"))["reason"] == "Available"
    assert (await cluster.made(DEPLOYMENTS, "mcp-ledger"))["spec"] == made["spec"]


def test_looks_come_seldom_when_the_permission_does_not() -> None:
    now, looks, key = 0.0, 0, ObjectKey("qd-a", "ledger")
    patience = Patience(lambda: now)
    while now < 600:
        now += next_look(patience.waited(key))
        looks += 1
    assert looks < 35
    assert next_look(patience.waited(key)) == LATEST
    patience.over(key)
    assert next_look(patience.waited(key)) == SOONEST
