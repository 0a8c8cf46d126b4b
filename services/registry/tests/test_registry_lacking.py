"""A cluster that lacks what the controller needs: it says so by name, asks seldom, and goes on later."""

import asyncio
import contextlib
import copy

import pytest
import yaml
from registry_cluster import DEFINITIONS, eventually

from hack.services.api_server import api_server
from quarterdeck.common.errors import Unavailable
from quarterdeck.common.service import open_platform
from quarterdeck.common.settings import PlatformSettings
from quarterdeck.controller.api.resource import NAMESPACES, Resource
from quarterdeck.controller.testing.crds import install_crds
from quarterdeck.registry import control
from quarterdeck.registry.kube import outdated

ACCOUNTS = Resource("", "v1", "serviceaccounts", "ServiceAccount")
# Requests that one kind may cost in the first seconds: 0.8, 1.6, 3.2, … seconds between two of them.
SECONDS, MOST_A_KIND = 4.0, 6


@pytest.fixture
async def bare():
    """An API server without our CRDs, and a client of it."""
    with api_server() as plane:
        client = await plane.client()
        yield plane, client
        await client.close()


@pytest.fixture
async def start(tmp_path, postgres_database, monkeypatch):
    """Starts the controller with a kubeconfig; returns its platform."""
    monkeypatch.setenv("QD_DATABASE_URL", postgres_database)
    monkeypatch.setenv("QD_REGISTRY_OBJECTS", "kubernetes")
    monkeypatch.setattr(outdated, "AGAIN", 0.2)
    async with contextlib.AsyncExitStack() as stack:

        async def started(kubeconfig):
            monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
            platform = open_platform("registry", PlatformSettings(data_dir=tmp_path / "c"))
            stack.push_async_callback(platform.close)
            controller = await control.build(platform)
            await controller.start()
            stack.push_async_callback(controller.stop, 5)
            return platform

        yield started


async def said(platform, check):
    """Returns what a check of its health says; empty if all is well."""
    try:
        await platform.checks[check]()
    except Unavailable as error:
        return error.message
    return ""


def requests(platform, code):
    """Returns how many requests got that answer."""
    name = "rest_client_requests_total"
    found = (each for family in platform.telemetry.registry.collect() for each in family.samples)
    return sum(each.value for each in found if each.name == name and each.labels["code"] == code)


def definitions():
    return {path.stem: yaml.safe_load(path.read_text()) for path in DEFINITIONS.glob("*.yaml")}


async def test_crds_that_are_missing_or_older_are_said_by_name_and_found_when_they_come(bare, start):
    plane, client = bare
    ours = definitions()
    older = copy.deepcopy(ours)
    spec = older["agents"]["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    del spec["properties"]["context"]
    await install_crds(client, [older[name] for name in older if name != "triggers"])
    platform = await start(plane.kubeconfig)
    crds = await eventually(lambda: said(platform, "crds"))
    assert "triggers.quarterdeck.dev: is not installed" in crds
    assert "agents.quarterdeck.dev: is older than this release: it does not know spec.context" in crds

    async def only_one_is_missing():
        told = await said(platform, "caches")
        return told if "not listed yet" not in told else ""

    caches = await eventually(only_one_is_missing, seconds=20)
    assert caches.startswith("triggers.quarterdeck.dev: not served") and caches.count(".dev: ") == 1
    await install_crds(client, list(ours.values()))
    await eventually(lambda: said(platform, "crds"), lambda told: told == "")
    await eventually(lambda: said(platform, "caches"), lambda told: told == "", seconds=30)


async def test_permissions_that_are_missing_are_said_by_name_without_a_storm(bare, start, tmp_path):
    plane, client = bare
    await install_crds(client, list(definitions().values()))
    await client.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "weak"}})
    meta = {"name": "weak", "namespace": "weak"}
    await client.create(ACCOUNTS, {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta})
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    answer = await client._write("POST", ACCOUNTS.path("weak", "weak", "token"), body)
    plane.write_kubeconfig(tmp_path / "weak", plane.port, answer["status"]["token"])
    platform = await start(tmp_path / "weak")

    async def all_are_named():
        told = await said(platform, "caches")
        return told if "not listed yet" not in told else ""

    told = await eventually(all_are_named)
    kinds = definitions()
    for plural in kinds:
        assert f"{plural}.quarterdeck.dev: " in told
    assert "grant get, list and watch" in told
    before = requests(platform, "403")
    await asyncio.sleep(SECONDS)
    # The kinds, the namespaces, what is kept in them, the lease.
    assert requests(platform, "403") - before <= MOST_A_KIND * (len(kinds) + 8)
