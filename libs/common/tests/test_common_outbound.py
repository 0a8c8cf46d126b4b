"""What users' URLs may lead to: looked at by address, and connected to at the address that was looked at."""

import asyncio
import ipaddress
import socket
import ssl

import aiohttp
import httpx2
import pytest

from quarterdeck.common.outbound.connector import guarded_connector
from quarterdeck.common.outbound.http_transport import REMEMBERED, GuardedTransport
from quarterdeck.common.outbound.networks import is_inside
from quarterdeck.common.outbound.policy import Outbound
from quarterdeck.common.outbound.resolving import OutboundRefused, reachable
from quarterdeck.common.settings import PlatformSettings
from quarterdeck.common.transport.authority import Authority

INTERNET, LAPTOP = Outbound(), Outbound.parse((), loopback=True)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.8.9.10", "0.0.0.0", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1",
        "100.64.0.1", "169.254.169.254", "192.0.0.192", "198.18.0.1", "192.0.2.1", "224.0.0.1",
        "255.255.255.255", "::", "::1", "::7f00:1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:a9fe:a9fe",
        "64:ff9b::a00:1", "64:ff9b::7f00:1", "64:ff9b:1::a00:1", "2002:7f00:1::",
        "2001:0:7f00:1::", "fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%eth0", "fec0::1",
        "ff02::1", "2001:db8::1",
    ],
)  # fmt: skip
def test_inside(address):
    assert is_inside(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "172.32.0.1", "100.128.0.1", "::ffff:8.8.8.8", "2606:4700::1", "223.255.255.255"]
)
def test_outside(address):
    assert not is_inside(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "host",
    [
        "localhost", "127.0.0.1", "127.1", "0x7f.1", "2130706433", "0177.0.0.1", "017700000001", "0", "::1",
        "0x7f000001", "::ffff:127.0.0.1", "169.254.169.254", "2852039166", "0251.0376.0251.0376", "10.1",
    ],
)  # fmt: skip
async def test_whatever_the_form_nothing_inside_is_reached(host):
    with pytest.raises(OutboundRefused):
        await reachable(host, 80, INTERNET)


async def test_what_is_not_there_and_what_is_inside_are_told_alike():
    told = []
    for host in ("no-such-name.invalid", "localhost"):
        with pytest.raises(OutboundRefused) as caught:
            await reachable(host, 80, INTERNET)
        told.append(caught.value.message.replace(host, "X"))
    assert told[0] == told[1]
    assert "127." not in told[1]


@pytest.mark.parametrize(
    ("allowed", "host", "address", "may"),
    [
        ("10.1.0.0/16", "x", "10.1.2.3", True),
        ("10.1.0.0/16", "x", "10.2.2.3", False),
        ("10.1.0.0/16", "x", "::ffff:10.1.2.3", True),
        ("192.168.1.7", "x", "192.168.1.7", True),
        ("ollama.corp", "Ollama.corp.", "10.2.2.3", True),
        ("ollama.corp", "ollama.corp.evil.example", "10.2.2.3", False),
        ("*.svc", "tools.acme.svc", "10.2.2.3", True),
        ("*.svc", "svc", "10.2.2.3", False),
        ("*.svc", "notsvc", "10.2.2.3", False),
        ("fd00::/8", "x", "fd00::1", True),
    ],
)
def test_what_is_allowed_besides(allowed, host, address, may):
    assert Outbound.parse([allowed]).allows(host, ipaddress.ip_address(address)) is may


@pytest.mark.parametrize("nonsense", ["10.0.0.0/99", "http://x", "a b", "", "*", "10.0.0.1/8"])
def test_a_list_that_cannot_be_read_stops_the_start(nonsense):
    with pytest.raises(ValueError, match="no network, address or host"):
        PlatformSettings(outbound_allow=(nonsense,))


@pytest.mark.parametrize(
    ("more", "may"),
    [
        ({}, True),
        ({"access": "kubernetes"}, False),
        ({"listen": "0.0.0.0:1", "plaintext": True}, False),
        ({"access": "kubernetes", "outbound_allow": ("127.0.0.0/8",)}, True),
    ],
)
def test_loopback_is_for_laptops(more, may):
    policy = PlatformSettings(**more).outbound()
    assert policy.allows("x", ipaddress.ip_address("127.0.0.1")) is may
    assert policy.allows("x", ipaddress.ip_address("8.8.8.8"))
    assert not policy.allows("x", ipaddress.ip_address("169.254.169.254"))


class Resolver:
    """Answers look-ups from a list, the last one for ever."""

    def __init__(self, monkeypatch, *answers):
        self.answers, self.asked = list(answers), 0
        loop = asyncio.get_running_loop()
        monkeypatch.setattr(loop, "getaddrinfo", self.getaddrinfo)

    async def getaddrinfo(self, host, port, **_more):
        self.asked += 1
        found = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in found]


class Server:
    """Answers one thing to everybody; remembers the Host headers."""

    def __init__(self, answer=b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"):
        self.answer, self.hosts = answer, []

    async def serve(self, reader, writer):
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            self.hosts.append(next(x for x in head.split(b"\r\n") if x.lower().startswith(b"host:"))[6:])
            writer.write(self.answer)


@pytest.fixture
async def start():
    running = []

    async def start(answer=None, context=None):
        server = Server(answer) if answer else Server()
        listener = await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=context)
        running.append(listener)
        return server, listener.sockets[0].getsockname()[1]

    yield start
    for listener in running:
        listener.close()


def client(outbound, **more):
    return httpx2.AsyncClient(transport=GuardedTransport(outbound, **more), follow_redirects=True)


async def test_a_name_that_changes_its_mind_is_not_asked_twice(start, monkeypatch):
    # Rebinding: the first answer is looked at, the second would be connected to.
    _, port = await start()
    resolver = Resolver(monkeypatch, ["127.0.0.1"], ["169.254.169.254"])
    async with client(LAPTOP) as http:
        for _ in range(3):
            assert (await http.get(f"http://rebind.example:{port}/")).text == "ok"
    assert resolver.asked == 1


async def test_a_name_is_asked_again_after_a_while_and_refused_then(start, monkeypatch):
    _, port = await start()
    Resolver(monkeypatch, ["127.0.0.1"], ["10.0.0.1"])
    now = [0.0]
    async with client(LAPTOP, now=lambda: now[0]) as http:
        await http.get(f"http://rebind.example:{port}/")
        now[0] += REMEMBERED
        with pytest.raises(httpx2.ConnectError, match="no address that may be reached"):
            await http.get(f"http://rebind.example:{port}/")


async def test_of_several_addresses_the_allowed_ones_are_tried_in_turn(start, monkeypatch):
    server, port = await start()
    Resolver(monkeypatch, ["10.0.0.1", "127.0.0.2", "127.0.0.1"])  # nobody listens on the second
    async with client(LAPTOP) as http:
        assert (await http.post(f"http://several.example:{port}/", content=b"x")).text == "ok"
    assert server.hosts == [f"several.example:{port}".encode()]


async def test_a_redirect_is_looked_at_as_well(start):
    there = b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/latest/\r\nContent-Length: 0\r\n\r\n"
    _, port = await start(there)
    async with client(LAPTOP) as http:
        with pytest.raises(httpx2.ConnectError, match=r"169\.254\.169\.254 has no address"):
            await http.get(f"http://127.0.0.1:{port}/")


async def test_nothing_is_sent_to_what_is_inside(start):
    server, port = await start()
    async with client(INTERNET) as http:
        for host in ("127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "2130706433"):
            with pytest.raises(httpx2.ConnectError):
                await http.get(f"http://{host}:{port}/")
    with pytest.raises(OutboundRefused):
        await guarded_connector(f"http://127.0.0.1:{port}/", INTERNET)
    assert server.hosts == []


async def test_by_aiohttp_the_address_that_was_looked_at_is_the_one(start, monkeypatch):
    _, port = await start()
    Resolver(monkeypatch, ["127.0.0.1"], ["169.254.169.254"])
    url = f"http://rebind.example:{port}/"
    connector = await guarded_connector(url, LAPTOP)
    async with aiohttp.ClientSession(connector=connector) as session:
        async with session.get(url, allow_redirects=False) as response:
            assert await response.text() == "ok"
        with pytest.raises(aiohttp.ClientConnectorError):
            await session.get(f"http://other.example:{port}/")


@pytest.mark.parametrize(("host", "fits"), [("secure.example", True), ("other.example", False)])
async def test_tls_asks_for_the_name_and_not_for_the_address(start, monkeypatch, tmp_path, host, fits):
    Authority.make().issue(tmp_path, ["secure.example"])
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(tmp_path / "tls.crt", tmp_path / "tls.key")
    server, port = await start(context=serving)
    Resolver(monkeypatch, ["127.0.0.1"])
    trusting = ssl.create_default_context(cafile=tmp_path / "ca.crt")
    async with client(LAPTOP, inner=httpx2.AsyncHTTPTransport(verify=trusting)) as http:
        if fits:
            assert (await http.get(f"https://{host}:{port}/")).text == "ok"
            assert server.hosts == [f"{host}:{port}".encode()]
            return
        with pytest.raises(httpx2.ConnectError, match=r"secure|match|certificate"):
            await http.get(f"https://{host}:{port}/")
