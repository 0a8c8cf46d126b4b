"""The gateway in front of the real registry and the real runtime."""

import asyncio
import json
import shutil

import httpx
import pytest

from quarterdeck.common.service import open_platform
from quarterdeck.common.settings import PlatformSettings
from quarterdeck.gateway.config import GatewaySettings
from quarterdeck.gateway.main import build
from quarterdeck.registry.main import build as build_registry
from quarterdeck.runtime.main import build as build_runtime

T = "/api/v1/tenants/default"
API = "quarterdeck.dev/v1alpha1"
WORKFLOW = {
    "apiVersion": API,
    "kind": "Workflow",
    "metadata": {"name": "double", "labels": {"team": "books"}},
    "spec": {
        "nodes": [{"name": "shape", "transform": {"output": {"twice": "${input.n * 2}"}}}],
        "output": "${nodes.shape.output}",
    },
}
ROUTE = {
    "apiVersion": API,
    "kind": "Trigger",
    "metadata": {"name": "analyze"},
    "spec": {
        "target": {"kind": "Workflow", "name": "double"},
        "http": {"path": "/api/v1/accounts/{id}/analyze", "method": "POST"},
        "input": {"n": "${request.body.n}"},
    },
}


@pytest.fixture
async def client(tmp_path):
    settings = PlatformSettings(data_dir=tmp_path)
    platforms = [open_platform(name, settings) for name in ("registry", "agent-runtime", "gateway")]
    services = [await build_registry(platforms[0]), await build_runtime(platforms[1])]
    gateway = await build(platforms[2], platforms[:2], GatewaySettings(http_port=0, grpc_port=0))
    services.append(gateway)
    for service in services:
        await service.start()
    token = (tmp_path / "admin-token").read_text().strip()
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{gateway.http_port}",
        headers={"Authorization": f"Bearer {token}"},
        timeout=15,
    ) as client:
        yield client
    for service in reversed(services):
        await service.stop(1)
    for platform in platforms:
        await platform.close()
    shutil.rmtree(settings.sockets_dir(), ignore_errors=True)


async def apply(client, manifest, plural):
    name = manifest["metadata"]["name"]
    response = await client.put(f"{T}/{plural}/{name}", json=manifest)
    assert response.is_success, response.text
    return response


def frames(text):
    blocks = [block for block in text.split("\n\n") if "data: " in block]
    return [dict(line.split(": ", 1) for line in block.splitlines()) for block in blocks]


async def test_objects(client):
    created = await apply(client, WORKFLOW, "workflows")
    assert (created.status_code, created.headers["quarterdeck-outcome"]) == (201, "created")
    assert (await apply(client, WORKFLOW, "workflows")).headers["quarterdeck-outcome"] == "unchanged"
    read = (await client.get(f"{T}/workflows/double")).json()
    assert read["spec"]["output"] == "${nodes.shape.output}"
    listed = (await client.get(f"{T}/workflows?labelSelector=team=books")).json()
    assert [item["metadata"]["name"] for item in listed["items"]] == ["double"]
    stale = {**WORKFLOW, "spec": {**WORKFLOW["spec"], "description": "x"}}
    response = await client.put(f"{T}/workflows/double?resourceVersion=1", json=stale)
    assert (response.status_code, response.headers["content-type"]) == (409, "application/problem+json")
    unknown = {**WORKFLOW, "spec": {**WORKFLOW["spec"], "colour": "red"}}
    body = (await client.put(f"{T}/workflows/double", json=unknown)).json()
    assert (body["status"], body["field"]) == (400, "spec.colour")
    assert (await client.delete(f"{T}/workflows/double")).status_code == 200
    assert (await client.get(f"{T}/workflows/double")).status_code == 404


async def test_a_watch_sees_a_write(client):
    url = f"{T}/workflows?watch=true"
    async with client.stream("GET", url, headers={"Accept": "text/event-stream"}) as response:
        await apply(client, WORKFLOW, "workflows")
        async with asyncio.timeout(10):
            async for line in response.aiter_lines():
                if line.startswith("data: ") and '"double"' in line:
                    assert json.loads(line[6:])["object"]["metadata"]["name"] == "double"
                    return
    pytest.fail("the watch ended")


async def test_a_run_from_start_to_end(client):
    await apply(client, WORKFLOW, "workflows")
    body = {"kind": "Workflow", "name": "double", "input": {"n": 21}}
    headers = {"Idempotency-Key": "once"}
    run = (await client.post(f"{T}/runs", json=body, headers=headers)).json()
    again = (await client.post(f"{T}/runs", json=body, headers=headers)).json()
    assert run["id"] == again["id"]
    stream = await client.get(f"{T}/runs/{run['id']}/events", headers={"Accept": "text/event-stream"})
    found = frames(stream.text)
    assert (found[0]["event"], found[-1]["event"]) == ("run.started", "run.succeeded")
    assert [int(f["id"]) for f in found] == list(range(1, len(found) + 1))
    resumed = await client.get(
        f"{T}/runs/{run['id']}/events",
        headers={"Accept": "text/event-stream", "Last-Event-ID": found[1]["id"]},
    )
    assert frames(resumed.text) == found[2:]
    done = (await client.get(f"{T}/runs/{run['id']}")).json()
    assert (done["state"], done["output"]) == ("succeeded", {"twice": 42})
    page = (await client.get(f"{T}/runs/{run['id']}/events?limit=2")).json()
    assert (len(page["items"]), page["continue"]) == (2, "2")
    agui = frames((await client.get(f"{T}/runs/{run['id']}/ag-ui")).text)
    types = [json.loads(f["data"])["type"] for f in agui]
    assert (types[0], types[-1]) == ("RUN_STARTED", "RUN_FINISHED")


async def test_a_declared_route_starts_its_run(client):
    await apply(client, WORKFLOW, "workflows")
    await apply(client, ROUTE, "triggers")
    async with asyncio.timeout(10):
        while True:
            response = await client.post("/api/v1/accounts/17/analyze", json={"n": 4})
            if response.status_code == 202:
                break
            await asyncio.sleep(0.05)
    [run] = response.json()["runs"]
    stream = await client.get(f"{T}/runs/{run['id']}/events", headers={"Accept": "text/event-stream"})
    assert json.loads(frames(stream.text)[-1]["data"])["data"] == {"output": {"twice": 8}}
    assert (await client.delete(f"{T}/triggers/analyze")).is_success
    async with asyncio.timeout(10):
        while True:
            if (await client.post("/api/v1/accounts/17/analyze", json={"n": 4})).status_code == 404:
                break
            await asyncio.sleep(0.05)


async def test_the_token_of_the_door_is_the_only_way_in(client):
    response = await client.get(f"{T}/workflows", headers={"Authorization": "Bearer qd_x"})
    assert response.status_code == 401
