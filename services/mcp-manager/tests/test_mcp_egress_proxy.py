"""The proxy itself: Squid, our answers behind it, pods of a real API server with loopback addresses."""

import asyncio
import contextlib
import os
import socket
import ssl
import tempfile
from pathlib import Path

import pytest

from hack.services.packages import Missing, find
from quarterdeck.common.outbound.networks import INSIDE as PRIVATE
from quarterdeck.controller.api.errors import AlreadyExists, ApiError
from quarterdeck.controller.api.resource import NAMESPACES, Resource
from quarterdeck.mcp.egress.certificate import write_certificate
from quarterdeck.mcp.egress.configuration import asked_by_squid, configuration
from quarterdeck.mcp.egress.constants import READY
from quarterdeck.mcp.egress.readiness import is_ready

ACCOUNTS = Resource("", "v1", "serviceaccounts", "ServiceAccount")
PODS = Resource("", "v1", "pods", "Pod")
NAMESPACE = "egress-proxy-test"
ALLOWED, STRANGER, OLD = "127.0.0.21", "127.0.0.22", "127.0.0.23"
# What is inside for this proxy: all that is private but the loopback, where the servers of the test are.
INSIDE = [network for network in PRIVATE if not network.startswith("127.")]


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


async def put_pod(client, name, address, egress, phase="Running"):
    """Makes a pod as the controller would, with the status that a kubelet would give it."""
    await client.create(
        PODS,
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": name,
                "namespace": NAMESPACE,
                "labels": {"quarterdeck.dev/mcp-server": name},
                "annotations": {"quarterdeck.dev/egress": egress},
            },
            "spec": {
                "containers": [{"name": "server", "image": "none"}],
                "automountServiceAccountToken": False,
            },
        },
    )
    status = {"phase": phase, "podIP": address, "podIPs": [{"ip": address}]}
    await client.merge(PODS, name, {"status": status}, NAMESPACE, "status")


@contextlib.asynccontextmanager
async def upstream(folder, *, tls):
    """A server that says hello; yields its port."""

    async def hello(reader, writer):
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello")
            await writer.drain()
        writer.close()

    context = None
    if tls:
        pem = write_certificate(folder / "upstream.pem")
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(pem)
    server = await asyncio.start_server(hello, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def pump(source, sink):
    """Carries bytes from one stream to another until there are no more."""
    with contextlib.suppress(ConnectionError):
        while data := await source.read(65536):
            sink.write(data)
            await sink.drain()
    sink.close()


@contextlib.asynccontextmanager
async def answers(plane):
    """The process that answers, behind a port of the loopback, one for each connection; yields the port.

    Squid will not run as root, and who it runs as may read neither the environment nor the keys of the test.
    """
    running = []

    async def serve(reader, writer):
        program, *words = asked_by_squid()
        process = await asyncio.create_subprocess_exec(
            *("(answers)", *words),
            executable=program,  # started as Squid does, under a name that is no path
            env={**os.environ, "KUBECONFIG": str(plane.kubeconfig)},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        running.append(process)
        await asyncio.gather(pump(reader, process.stdin), pump(process.stdout, writer))

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for process in running:
            process.stdin.close()
            # It ends with its questions.
            assert await asyncio.wait_for(process.wait(), 20) == 0


def write_settings(folder, behind, port, tls_port, inside):
    """Writes Squid's settings, and the program that it asks: a way to the process that answers."""
    folder.chmod(0o777)
    relay = folder / "relay"
    relay.write_text(f"#!/bin/bash\nexec 3<>/dev/tcp/127.0.0.1/{behind}\ncat <&3 &\ncat >&3\n")
    relay.chmod(0o755)
    certificate = write_certificate(folder / "unused.pem")
    certificate.chmod(0o644)
    (folder / "hosts").write_text("127.0.0.1 allowed.test other.test\n10.9.8.7 inside.test\n")
    text = configuration(
        [str(relay)],
        str(certificate),
        listen=f"127.0.0.1:{port}",
        inner=free_port(),
        private=inside,
        tls_ports=[tls_port],
        grace=0,
    ).replace("/dev/stdout", f"{folder}/access")
    (folder / "squid.conf").write_text(f"{text}hosts_file {folder}/hosts\n")
    return folder / "squid.conf"


@contextlib.asynccontextmanager
async def proxy(plane, tls_port, inside):
    """Squid with our answers behind it; yields its port, once it answers."""
    port = free_port()
    nobody = {"user": 65534, "group": 65534, "extra_groups": []} if os.getuid() == 0 else {}
    with tempfile.TemporaryDirectory(prefix="egress-") as made:
        async with answers(plane) as behind:
            settings = write_settings(Path(made), behind, port, tls_port, inside)
            command = [SQUID, "-N", "-d", "1", "-n", f"egress{port}", "-f", str(settings)]
            process = await asyncio.create_subprocess_exec(*command, **nobody)
            try:
                async with asyncio.timeout(30):
                    while not await asyncio.to_thread(is_ready, port, tls_port):  # noqa: ASYNC110 - another process, which sets no event
                        await asyncio.sleep(0.1)
                yield port
            finally:
                with contextlib.suppress(ProcessLookupError):
                    process.terminate()
                await asyncio.wait_for(process.wait(), 20)


async def tunnel(port, source, host, wanted, *, sni=None, plain=b""):
    """Asks for a tunnel from `source`, then for a page in it; returns what the proxy said, and the page."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(source, 0))
    try:
        writer.write(f"CONNECT {host}:{wanted} HTTP/1.1\r\nHost: {host}:{wanted}\r\n\r\n".encode())
        said = (await reader.readuntil(b"\r\n\r\n")).split(b" ")[1].decode()
        if said != "200":
            return said, b""
        if sni is not None:
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            await writer.start_tls(context, server_hostname=sni)
        writer.write(plain or b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        async with asyncio.timeout(5):
            page = await reader.read()
        return said, page.rpartition(b"\r\n\r\n")[2]
    except (ConnectionError, ssl.SSLError, asyncio.IncompleteReadError, TimeoutError):
        return "broken off", b""
    finally:
        writer.close()
        with contextlib.suppress(Exception):
            await writer.wait_closed()


@pytest.fixture
async def pods(client):
    # Here no controller manager makes a namespace's account.
    account = {"name": "default", "namespace": NAMESPACE}
    for resource, metadata in ((NAMESPACES, {"name": NAMESPACE}), (ACCOUNTS, account)):
        thing = {"apiVersion": "v1", "kind": resource.kind, "metadata": metadata}
        with contextlib.suppress(AlreadyExists):
            await client.create(resource, thing)
    yield client
    for name in ("allowed", "stranger", "old"):
        with contextlib.suppress(ApiError):
            await client.delete(PODS, name, NAMESPACE)


async def test_a_pod_reaches_the_hosts_of_its_server_and_nothing_else(plane, pods, tmp_path):
    async with upstream(tmp_path, tls=True) as secure, upstream(tmp_path, tls=False) as plain:
        egress = f"allowed.test:{secure},allowed.test:{plain},inside.test:{secure},127.0.0.1:{secure}"
        await put_pod(pods, "allowed", ALLOWED, egress)
        await put_pod(pods, "stranger", STRANGER, "elsewhere.test")
        await put_pod(pods, "old", OLD, egress, phase="Succeeded")
        async with proxy(plane, secure, INSIDE) as port:
            hello = ("200", b"hello")
            assert await tunnel(port, ALLOWED, "allowed.test", secure, sni="allowed.test") == hello
            assert await tunnel(port, ALLOWED, "allowed.test", plain) == ("200", b"hello")
            for source, host, wanted in (
                (ALLOWED, "other.test", secure),
                (ALLOWED, "allowed.test", 1),
                (ALLOWED, "inside.test", secure),
                (STRANGER, "allowed.test", secure),
                (STRANGER, READY, 443),
                (OLD, "allowed.test", secure),
                ("127.0.0.1", "allowed.test", secure),
            ):
                assert await tunnel(port, source, host, wanted, sni=host) == ("403", b""), (
                    source,
                    host,
                    wanted,
                )
            # Behind the name of the tunnel another one is asked for, or no TLS is spoken at all.
            for more in ({"sni": "other.test"}, {"plain": b"SSH-2.0-x\r\n\r\n"}):
                _, page = await tunnel(port, ALLOWED, "allowed.test", secure, **more)
                assert page == b"", more


async def test_what_is_inside_is_refused_whatever_the_server_names(plane, pods, tmp_path):
    async with upstream(tmp_path, tls=False) as plain:
        await put_pod(pods, "allowed", ALLOWED, f"allowed.test:{plain},127.0.0.1:{plain}")
        async with proxy(plane, 443, PRIVATE) as port:
            assert await tunnel(port, ALLOWED, "allowed.test", plain) == ("403", b"")
            assert await tunnel(port, ALLOWED, "127.0.0.1", plain) == ("403", b"")
            assert await tunnel(port, ALLOWED, "[::ffff:127.0.0.1]", plain) == ("403", b"")


try:
    SQUID = str(find("squid", "squid-openssl", ["/usr/sbin"]))
except Missing as missing:
    pytest.skip(f"not verified here: {missing}", allow_module_level=True)
