"""Browsers: pages of other sites, preflights, security headers; and connections that dawdle."""

import asyncio
import ipaddress
import time

import httpx
import pytest
from pydantic import ValidationError

from quarterdeck.gateway.config import GatewaySettings
from quarterdeck.gateway.edges import connections
from quarterdeck.gateway.edges.origins import is_foreign, is_origin
from quarterdeck.v1 import runs_pb2

RUNS = "/api/v1/tenants/default/runs"
CONSOLE, EVIL = "https://console.example", "https://evil.example"
BY_TLS = {"X-Forwarded-Proto": "https"}


@pytest.mark.parametrize(
    ("method", "site", "origin", "foreign"),
    [
        ("GET", "cross-site", EVIL, False),
        ("POST", "cross-site", EVIL, True),
        ("POST", "same-site", "https://other.here", True),
        ("POST", "same-origin", "https://here", False),
        ("POST", "none", "", False),
        ("POST", "made-up", "", True),
        ("POST", "cross-site", CONSOLE, False),
        ("DELETE", "", EVIL, True),
        ("DELETE", "", "null", True),
        ("DELETE", "", "http://HERE", False),
        ("DELETE", "", "http://here:81", True),
        ("DELETE", "", "", False),  # no browser
    ],
)
def test_who_is_foreign(method, site, origin, foreign):
    assert is_foreign(method, site, origin, "here", {CONSOLE}) is foreign


@pytest.mark.parametrize("text", ["*", "null", "", "https://x/", "https://X", "ftp://x", "https://u@x", "x"])
def test_what_is_no_origin(text):
    assert not is_origin(text)
    with pytest.raises(ValidationError, match="is no origin"):
        GatewaySettings(cors_origins=(text,))


class TestAsItIs:
    async def test_a_foreign_page_changes_nothing(self, house):
        for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": EVIL}, {"Origin": "null"}):
            answer = await house.client.post(RUNS, json={"kind": "Workflow", "name": "w"}, headers=headers)
            assert (answer.status_code, answer.json()["reason"]) == (403, "CrossSite")
        assert house.runtime.count(runs_pb2.StartRunRequest) == 0

    async def test_nobody_is_told_that_they_may_read(self, house):
        for method in ("GET", "OPTIONS"):
            headers = {"Origin": EVIL, "Access-Control-Request-Method": "POST"}
            answer = await house.client.request(method, "/health", headers=headers)
            assert not [name for name in answer.headers if name.startswith("access-control")]

    async def test_every_answer_has_the_headers(self, house):
        for path in ("/health", "/nothing", RUNS, "/console/", "/docs"):
            headers = (await house.client.get(path)).headers
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["cross-origin-opener-policy"] == "same-origin"
            assert headers["cross-origin-resource-policy"] == "same-origin"
            assert "frame-ancestors 'none'" in headers["content-security-policy"]
            assert "camera=()" in headers["permissions-policy"]
        assert headers["cache-control"] == "no-store"

    async def test_nobody_makes_us_promise_tls(self, house):
        assert "strict-transport-security" not in (await house.client.get("/health", headers=BY_TLS)).headers


class TestAsItIsSet:
    @pytest.fixture
    def gateway_settings(self):
        proxies = (ipaddress.ip_network("127.0.0.0/8"),)
        return GatewaySettings(
            http_port=0, grpc_port=0, cors_origins=(CONSOLE,), trusted_proxies=proxies, body_seconds=0.3
        )

    async def test_an_allowed_page_may_call(self, house):
        house.runtime.answers["StartRun"] = house.run()
        headers = {"Origin": CONSOLE, "Sec-Fetch-Site": "cross-site"}
        answer = await house.client.post(RUNS, json={"kind": "Workflow", "name": "w"}, headers=headers)
        assert answer.is_success
        assert answer.headers["access-control-allow-origin"] == CONSOLE
        assert "RateLimit" in answer.headers["access-control-expose-headers"]
        assert "access-control-allow-credentials" not in answer.headers

    async def test_a_preflight_needs_no_token(self, house):
        asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
        for origin, status in ((CONSOLE, 200), (EVIL, 400)):
            answer = await house.client.options(
                RUNS, headers={"Origin": origin, "Authorization": "", **asked}
            )
            assert answer.status_code == status
            assert ("access-control-allow-origin" in answer.headers) is (status == 200)

    async def test_behind_tls_it_is_promised(self, house):
        for path in ("/health", "/nothing"):
            answer = await house.client.get(path, headers=BY_TLS)
            assert answer.headers["strict-transport-security"].startswith("max-age=31536000")
        assert "strict-transport-security" not in (await house.client.get("/health")).headers

    async def test_a_body_that_dawdles_is_given_up(self, house):
        async def slowly():
            yield b'{"kind":'
            await asyncio.sleep(1)
            yield b'"Workflow"}'

        began = time.monotonic()
        answer = await house.client.post(RUNS, content=slowly(), headers={"Content-Type": "application/json"})
        assert (answer.status_code, answer.json()["reason"]) == (408, "BodyTooSlow")
        assert time.monotonic() - began < 3

    async def test_an_open_stream_is_no_slow_body(self, house):
        async def later(request):
            await asyncio.sleep(0.6)
            yield runs_pb2.RunEvent(run_id="r1", seq=1, type="run.started", data_json=b"{}")

        house.runtime.answers["StreamRunEvents"] = later
        headers = {"Accept": "text/event-stream", "Content-Length": "0"}
        async with house.client.stream("GET", f"{RUNS}/r1/events", headers=headers) as answer:
            lines = [line async for line in answer.aiter_lines()]
        assert any("run.started" in line for line in lines)


async def raw(house, *pieces, pause=0.0):
    """Sends pieces of a request; returns what comes back until the server closes, or two seconds."""
    reader, writer = await asyncio.open_connection("127.0.0.1", house.gateway.http_port)
    try:
        for piece in pieces:
            writer.write(piece)
            await asyncio.sleep(pause)
        async with asyncio.timeout(2):
            return await reader.read()
    finally:
        writer.close()


HEAD = b"GET /livez HTTP/1.1\r\nHost: x\r\n"


async def test_a_head_that_dawdles_is_given_up(house, monkeypatch):
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.2)
    assert (await raw(house, HEAD)).startswith(b"HTTP/1.1 408 ")
    assert (await raw(house)).startswith(b"HTTP/1.1 408 ")
    whole = await raw(house, HEAD + b"\r\n", HEAD, pause=0.05)
    assert whole.startswith(b"HTTP/1.1 200 ") and b"HTTP/1.1 408 " in whole


async def test_a_head_without_end_is_refused(house):
    endless = [b"X-Long: " + b"a" * 40_000, b"a" * 40_000]
    assert (await raw(house, HEAD, *endless, pause=0.02)).startswith(b"HTTP/1.1 431 ")
    many = [f"X-{i}: {'a' * 900}\r\n".encode() for i in range(100)]
    assert (await raw(house, HEAD, b"".join(many[:40]), b"".join(many[40:]), b"x", pause=0.02)).startswith(
        b"HTTP/1.1 431 "
    )


async def test_a_long_body_is_no_long_head(house):
    async with httpx.AsyncClient(base_url=house.url) as client:
        answer = await client.post(RUNS, content=b"x" * 60_000, headers={"Authorization": "Bearer wrong"})
    assert answer.status_code == 401


async def test_a_connection_serves_many_requests(house):
    for _ in range(3):
        assert (await house.client.get("/livez")).status_code == 200
