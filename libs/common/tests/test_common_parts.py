"""Bus, cache, artifacts, ids, paging, identity, telemetry: the small parts every service stands on."""

import asyncio
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quarterdeck.common import artifacts, codec
from quarterdeck.common.artifacts import DirectoryArtifacts, media_type
from quarterdeck.common.bus import FaultPlan, InProcessBus, Message
from quarterdeck.common.cache import key, open_cache
from quarterdeck.common.clock import parse_rfc3339, rfc3339
from quarterdeck.common.errors import InvalidArgument, NotFound
from quarterdeck.common.ids import uuid7
from quarterdeck.common.management import health, metrics
from quarterdeck.common.paging import decode_cursor, encode_cursor, page_limit
from quarterdeck.common.proofs.checking import TokenVerifier
from quarterdeck.common.proofs.keys import KeyDirectory
from quarterdeck.common.proofs.signing import WorkloadIdentity
from quarterdeck.common.proofs.tokens import Refused
from quarterdeck.common.service import open_platform
from quarterdeck.common.settings import PlatformSettings
from quarterdeck.common.telemetry import Telemetry, redact

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


async def collect(faults, count):
    bus, got = InProcessBus(faults), []

    async def take(message):
        got.append(message.data["n"])

    await bus.subscribe("t.*", take)
    for n in range(count):
        await bus.publish(Message("t.x", "tenant", {"n": n}))
    await bus.publish(Message("other", "tenant", {"n": -1}))
    await asyncio.sleep(0.01)
    await bus.close()
    return got


async def test_bus_delivers_by_prefix_in_order():
    assert await collect(None, 50) == list(range(50))


async def test_bus_loses_doubles_and_reorders_when_told_to():
    lost = await collect(FaultPlan(loss=0.5, seed=1), 200)
    assert 40 < len(lost) < 160
    doubled = await collect(FaultPlan(duplication=1.0, seed=1), 20)
    assert sorted(doubled) == sorted([*range(20), *range(20)])
    mixed = await collect(FaultPlan(reordering=0.5, seed=1), 50)
    assert mixed != sorted(mixed) and sorted(mixed) == list(range(50))


async def test_a_failing_handler_does_not_stop_the_subscription():
    bus, got = InProcessBus(), []

    async def take(message):
        got.append(message.data["n"])
        if message.data["n"] == 0:
            raise ValueError("broken")

    await bus.subscribe("t", take)
    for n in range(3):
        await bus.publish(Message("t", "", {"n": n}))
    await asyncio.sleep(0.01)
    assert got == [0, 1, 2]
    await bus.close()


async def test_cache_forgets_in_time():
    cache = open_cache("memory://")
    name = key("tenant", "a", "b")
    await cache.set(name, b"v", 0.05)
    assert await cache.get_many([name, "none"]) == [b"v", None]
    assert [await cache.increment("n", 10) for _ in range(3)] == [1, 2, 3]
    await asyncio.sleep(0.08)
    assert await cache.get(name) is None
    await cache.check()
    await cache.close()


async def test_artifacts_belong_to_their_tenant(tmp_path):
    store = DirectoryArtifacts(tmp_path)
    digest = await store.put("a", b"secret")
    assert await store.put("a", b"secret") == digest and await store.get("a", digest) == b"secret"
    with pytest.raises(NotFound):
        await store.get("b", digest)
    with pytest.raises(InvalidArgument):
        await store.get("a", "../../etc/passwd")
    await store.delete("a", digest)
    with pytest.raises(NotFound):
        await store.get("a", digest)


async def test_large_values_go_out_and_come_back(tmp_path):
    store, value = DirectoryArtifacts(tmp_path), {"text": "x" * 1000}
    reference = await artifacts.externalise(store, "a", value, 100)
    assert artifacts.referenced(reference)
    assert await artifacts.internalise(store, "a", reference) == value
    assert await artifacts.externalise(store, "a", {"n": 1}, 100) == {"n": 1}


@given(JSON)
def test_json_survives(value):
    assert codec.loads(codec.dumps(value)) == value
    assert codec.loads(codec.canonical(value)) == value


@given(st.integers(0, 2**47), st.binary(min_size=10, max_size=10))
def test_ids_sort_by_time(milliseconds, entropy):
    first, later = uuid7(milliseconds, entropy), uuid7(milliseconds + 1, bytes(10))
    assert first < later and first[14] == "7" and first[19] in "89ab"


@given(st.text())
def test_cursors_come_back(position):
    assert decode_cursor(encode_cursor(position)) == position


def test_pages_are_bounded():
    assert (page_limit(0), page_limit(7), page_limit(10**6)) == (100, 7, 500)
    with pytest.raises(InvalidArgument):
        page_limit(-1)


@pytest.mark.parametrize("token", ["a", "é", "_w", "\x00", "\ud800"])
def test_what_is_no_cursor_is_refused(token):
    with pytest.raises(InvalidArgument) as refused:
        decode_cursor(token)
    assert refused.value.field == "continue"


@given(st.integers(0, 4_000_000_000))
def test_times_come_back(seconds):
    assert parse_rfc3339(rfc3339(seconds)) == seconds


def test_a_time_without_zone_is_refused():
    with pytest.raises(ValueError, match="no time zone"):
        parse_rfc3339("2026-01-01T00:00:00")


def test_tokens_are_bound_to_service_and_audience(tmp_path):
    keys = KeyDirectory(tmp_path)
    gateway, registry = WorkloadIdentity("gateway", keys), WorkloadIdentity("registry", keys)
    verifier = TokenVerifier("memory", keys)
    token = gateway.token("memory")
    assert verifier.verify(token) == "gateway" and gateway.token("memory") == token
    with pytest.raises(Refused, match="audience"):
        verifier.verify(gateway.token("registry"))
    with pytest.raises(Refused, match="signature"):
        verifier.verify(token[:-4] + "AAAA")
    registry.close()
    fresh = TokenVerifier("memory", keys)
    with pytest.raises(Refused, match="key"):
        fresh.verify(registry.token("memory"))


def test_a_key_id_cannot_leave_its_directory(tmp_path):
    assert KeyDirectory(tmp_path / "keys").find("../../etc/passwd") is None


def test_logs_hold_no_secrets():
    event = redact(
        None,
        "info",
        {
            "token": "abc",
            "note": "Authorization: Bearer abcdefgh12345678",
            "nested": {"api_key": "k", "fine": "yes"},
            "key": "sk-ant-REDACTED",
            "tokens": 12,
        },
    )
    assert "abc" not in str(event) and event["nested"]["fine"] == "yes" and event["tokens"] == 12


async def test_loop_lag_is_seen():
    telemetry = Telemetry("test")
    watching = asyncio.create_task(telemetry.watch_loop())
    await asyncio.sleep(0.06)
    time.sleep(0.2)  # noqa: ASYNC251 - holding the loop is the point
    await asyncio.sleep(0.06)
    watching.cancel()
    (family,) = telemetry.loop_lag_max.collect()
    assert family.samples[0].value > 0.1


async def test_health_and_merged_metrics(tmp_path):
    settings = PlatformSettings(data_dir=tmp_path)
    platforms = [open_platform(name, settings) for name in ("memory", "registry")]
    status, body = await health(platforms[0])
    assert (status, body["checks"]) == (200, {"redis": "ok", "bus": "ok"})
    assert (await health(platforms[0], "nothing"))[0] == 404

    async def broken():
        raise NotFound("it is gone")

    platforms[0].checks["bus"] = broken
    status, body = await health(platforms[0])
    assert (status, body["status"], body["checks"]["bus"]) == (200, "degraded", "it is gone")
    assert (await health(platforms[0], "bus"))[0] == 503
    platforms[0].checks["db"] = broken
    status, body = await health(platforms[0])
    assert (status, body["status"], body["checks"]["db"]) == (503, "failing", "it is gone")
    text = metrics(platforms).decode()
    assert text.count("# HELP event_loop_lag_seconds ") == 1
    assert 'service="memory"' in text and 'service="registry"' in text
    for platform in platforms:
        await platform.close()


def test_sockets_fit_and_are_private(tmp_path):
    deep = tmp_path / ("x" * 90)
    settings = PlatformSettings(data_dir=deep)
    assert len(settings.address_of("agent-runtime").removeprefix("unix:")) <= 104
    open_platform("memory", settings)
    assert settings.sockets_dir().stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b'{"a": [1, null]}', "application/json"),
        (b"7", "application/json"),
        (b"[" + b"1," * 600_000 + b"1]\n", "application/json"),
        (b'{"a": ', "text/plain; charset=utf-8"),
        (b"plain " * 300_000, "text/plain; charset=utf-8"),
        ("é".encode(), "text/plain; charset=utf-8"),
        (b"", "text/plain; charset=utf-8"),
        (b"\x89PNG\r\n\x1a\n", "application/octet-stream"),
        (b"%PDF-1.7\xe2\xe3", "application/octet-stream"),
    ],
)
def test_an_artifact_says_what_it_is(data, found):
    assert media_type(data) == found
