"""The service itself: ports, health, metrics, logs, traces, start and stop."""

import asyncio
import json
import socket

import pytest
import structlog

from quarterdeck.common.errors import Unavailable
from quarterdeck.common.service import open_platform
from quarterdeck.common.settings import PlatformSettings
from quarterdeck.gateway.config import GatewaySettings
from quarterdeck.gateway.main import build

T = "/api/v1/tenants/default"


@pytest.fixture
async def platform(tmp_path):
    settings = PlatformSettings(data_dir=tmp_path)
    platform = open_platform("gateway", settings)
    yield platform
    await platform.close()


@pytest.fixture
def taken():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


async def test_a_port_in_use_is_one_clear_error(platform, taken):
    with pytest.raises(Unavailable) as caught:
        await build(platform, settings=GatewaySettings(http_port=taken, grpc_port=0))
    assert f"port {taken} on 127.0.0.1 is in use" in caught.value.message
    assert "QD_GATEWAY_HTTP_PORT" in caught.value.hint


async def test_so_is_the_grpc_port(platform, taken):
    gateway = await build(platform, settings=GatewaySettings(http_port=0, grpc_port=taken))
    with pytest.raises(Unavailable) as caught:
        await gateway.start()
    assert f"port {taken} on 127.0.0.1 is in use" in caught.value.message
    assert "QD_GATEWAY_GRPC_PORT" in caught.value.hint
    await gateway.stop(0)


async def test_an_address_that_is_not_ours(platform):
    with pytest.raises(Unavailable) as caught:
        await build(platform, settings=GatewaySettings(host="192.0.2.1", http_port=1, grpc_port=0))
    assert "QD_GATEWAY_HOST" in caught.value.hint


async def test_health_of_all_that_share_the_process(house):
    body = (await house.client.get("/health", headers={"Authorization": ""})).json()
    assert (body["status"], set(body["services"])) == ("ok", {"gateway", "memory"})
    assert (await house.client.get("/health/redis")).status_code == 200
    assert (await house.client.get("/health/nothing")).status_code == 404

    async def broken():
        raise Unavailable("the disk is full")

    house.platforms["memory"].checks["db"] = broken
    response = await house.client.get("/health/db")
    assert (response.status_code, response.json()["status"]) == (503, "failing")
    assert response.json()["services"]["memory"]["checks"] == {"db": "the disk is full"}
    assert (await house.client.get("/health/redis")).status_code == 200


async def test_metrics_count_requests_by_route(house):
    house.runtime.answers["GetRun"] = house.run()
    for id in ("a", "b"):
        await house.client.get(f"{T}/runs/{id}")
    await house.client.get("/a/path/of/somebody")
    text = (await house.client.get("/metrics")).text
    route = f"{T}/runs/".replace("default", "{tenant}") + "{id}"
    assert f'http_requests_total{{method="GET",route="{route}",service="gateway",status="200"}} 2.0' in text
    assert 'route="unmatched"' in text and "somebody" not in text
    assert "http_request_duration_seconds_bucket" in text


async def test_request_ids(house):
    given = await house.client.get("/health", headers={"X-Request-Id": "abc-1"})
    assert given.headers["x-request-id"] == "abc-1"
    made = await house.client.get("/health", headers={"X-Request-Id": "a b\tc"})
    assert len(made.headers["x-request-id"]) == 36


async def test_security_headers(house):
    response = await house.client.get(f"{T}/nothing")
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["x-frame-options"] == "DENY"
    assert response.headers["cache-control"] == "no-store"
    assert "default-src 'none'" in response.headers["content-security-policy"]
    assert "server" not in response.headers


async def test_the_log_says_who_did_what_and_no_secret(house, capsys):
    structlog.reset_defaults()
    house.platform.telemetry.log = structlog.get_logger("gateway")
    with structlog.testing.capture_logs() as logs:
        await house.client.get(f"{T}/runs/r1?token=hush", headers={"Cookie": "hush"})
        await house.client.get("/health")
    [line] = [entry for entry in logs if entry["event"] == "http.request"]
    assert (line["path"], line["status"], line["principal"]) == (f"{T}/runs/r1", 404, "local:admin")
    assert line["ms"] > 0
    assert (line["tenant"], line["run_id"]) == ("default", "r1")
    text = json.dumps(logs) + "".join(capsys.readouterr())
    assert house.token not in text and "hush" not in text


async def test_a_trace_goes_on_through_the_door(house):
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    for name in ("gateway", "agent-runtime"):
        house.platforms[name].telemetry.use_tracer(provider.get_tracer(name))
    house.runtime.answers["GetRun"] = house.run()
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    await house.client.get(f"{T}/runs/r1", headers={"traceparent": parent})
    await house.eventually(lambda: len(exporter.get_finished_spans()) == 2)
    inner, outer = exporter.get_finished_spans()
    assert outer.name == "GET /api/v1/tenants/{tenant}/runs/{id}"
    assert outer.attributes["http.route"] == "/api/v1/tenants/{tenant}/runs/{id}"
    assert outer.attributes["http.response.status_code"] == 200
    assert f"{outer.context.trace_id:032x}" == "0af7651916cd43dd8448eb211c80319c"
    assert inner.parent.span_id == outer.context.span_id
    assert inner.name == "/quarterdeck.v1.RuntimeService/GetRun"


async def test_stopping_lets_a_request_end(house):
    began, release = asyncio.Event(), asyncio.Event()

    async def slow(request):
        began.set()
        await release.wait()
        return house.run()

    house.runtime.answers["GetRun"] = slow
    request = asyncio.create_task(house.client.get(f"{T}/runs/r1"))
    await began.wait()
    stopping = asyncio.create_task(house.gateway._http.stop(5))
    await asyncio.sleep(0.15)
    assert not stopping.done()
    release.set()
    assert (await request).status_code == 200
    await asyncio.wait_for(stopping, 5)


async def test_it_starts_again_on_the_same_directory_and_port(house, tmp_path):
    port, token = house.gateway.http_port, house.token
    await house.gateway.stop(1)
    platform = open_platform("gateway", PlatformSettings(data_dir=tmp_path))
    gateway = await build(platform, settings=GatewaySettings(http_port=port, grpc_port=0))
    await gateway.start()
    response = await house.client.get("/api/v1/x", headers={"Authorization": f"Bearer {token}"})
    assert response.status_code == 404
    await gateway.stop(1)
    await platform.close()


async def test_migrations_make_the_tables_that_the_metadata_says(tmp_path):
    from importlib import import_module

    from alembic.migration import MigrationContext
    from alembic.operations import Operations
    from sqlalchemy import create_engine, inspect

    from quarterdeck.gateway.migrations import HEAD
    from quarterdeck.gateway.tables import METADATA

    history = ("0001_initial", "0002_api_keys", "0003_browser_sessions", "0004_suspensions")
    scripts = [import_module(f"quarterdeck.gateway.migrations.versions.{name}") for name in history]
    assert scripts[-1].revision == HEAD
    made, migrated = (create_engine(f"sqlite:///{tmp_path}/{name}.db") for name in ("a", "b"))
    with migrated.begin() as connection, Operations.context(MigrationContext.configure(connection)):
        for script in scripts:
            script.upgrade()
    METADATA.create_all(made)

    def schema(engine):
        found = inspect(engine)
        return {
            table: (
                [
                    (c["name"], str(c["type"]), c["nullable"], c["primary_key"])
                    for c in found.get_columns(table)
                ],
                found.get_indexes(table),
            )
            for table in found.get_table_names()
        }

    assert schema(made) == schema(migrated) != set()
    made.dispose()
    migrated.dispose()
