"""Every way to be somebody, and every way to the API server, against a real one."""

import asyncio
import json
import shutil

import pytest

from quarterdeck.controller.api.client import Client
from quarterdeck.controller.api.connection import Connection, connect
from quarterdeck.controller.api.errors import Unauthorized, Unreachable
from quarterdeck.controller.api.resource import Resource
from quarterdeck.controller.api.transport import Transport
from quarterdeck.controller.configuration.finding import find

ACCOUNTS = Resource("", "v1", "serviceaccounts", "ServiceAccount")
REVIEWS = Resource("authentication.k8s.io", "v1", "selfsubjectreviews", "SelfSubjectReview", namespaced=False)
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def kubeconfig(plane, tmp_path):
    """Writes a kubeconfig for this API server with another user, or another way to it."""

    def written(user=None, **cluster):
        content = json.loads(plane.kubeconfig.read_text())
        content["users"][0]["user"] = {"token": plane.token} if user is None else user
        told = content["clusters"][0]["cluster"] | {name.replace("_", "-"): cluster[name] for name in cluster}
        content["clusters"][0]["cluster"] = {name: value for name, value in told.items() if value is not None}
        file = tmp_path / "kubeconfig"
        file.write_text(json.dumps(content))
        return str(file)

    return written


async def asked(client):
    """Returns the name that the API server knows us by."""
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    return (await client.create(REVIEWS, body))["status"]["userInfo"]["username"]


async def whoami(connection):
    """The same, by a connection that nobody needs afterwards."""
    client = Client(Transport(connection))
    try:
        return await asked(client)
    finally:
        await client.close()


async def test_a_certificate(plane, kubeconfig):
    keys = plane.folder / "keys"
    user = {"client-certificate": str(keys / "client.crt"), "client-key": str(keys / "client.key")}
    assert await whoami(await connect(kubeconfig(user))) == "certified"


async def test_a_certificate_that_was_written_again_is_used(plane, kubeconfig, tmp_path):
    keys = plane.folder / "keys"
    for name in ("crt", "key"):
        shutil.copy(keys / f"server.{name}", tmp_path / name)
    connection = await connect(kubeconfig({"client-certificate": "crt", "client-key": "key"}))
    client = Client(Transport(connection))
    assert await asked(client) == "kube-apiserver"
    for name in ("crt", "key"):
        shutil.copy(keys / f"client.{name}", tmp_path / name)
    await connection.refresh()
    assert await asked(client) == "certified"
    await client.close()


async def test_a_plug_in_is_asked_again_when_its_token_is_not_trusted(plane, kubeconfig, tmp_path):
    told = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential"}
    (tmp_path / "token").write_text(json.dumps(told | {"status": {"token": "wrong"}}))
    call = {"apiVersion": told["apiVersion"], "command": "cat", "args": [str(tmp_path / "token")]}
    connection = await connect(kubeconfig({"exec": call}))
    (tmp_path / "token").write_text(json.dumps(told | {"status": {"token": plane.token}}))
    assert await whoami(connection) == "admin"


async def test_the_account_of_a_pod_with_a_token_that_is_written_again(plane, client, namespace, tmp_path):
    meta = {"name": "robot", "namespace": namespace}
    await client.create(ACCOUNTS, {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta})
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    path = ACCOUNTS.path(namespace, "robot", "token")
    answer = await client._transport.request("POST", path, body=body, headers=JSON)
    shutil.copy(plane.folder / "keys" / "ca.crt", tmp_path / "ca.crt")
    token = tmp_path / "token"
    token.write_text("wrong")
    pod = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(plane.port)}
    connection = Connection(find(environment=pod, account=tmp_path))
    with pytest.raises(Unauthorized):
        await whoami(connection)
    token.write_text(json.loads(answer[0])["status"]["token"])
    assert await whoami(connection) == f"system:serviceaccount:{namespace}:robot"


async def test_a_server_that_we_have_no_reason_to_trust(kubeconfig, tmp_path):
    unknown = {"certificate_authority": None}
    with pytest.raises(Unreachable, match="CERTIFICATE_VERIFY_FAILED"):
        await whoami(await connect(kubeconfig(**unknown)))
    assert await whoami(await connect(kubeconfig(**unknown, insecure_skip_tls_verify=True))) == "admin"


async def test_the_name_in_the_certificate_may_be_another(kubeconfig):
    assert await whoami(await connect(kubeconfig(tls_server_name="localhost"))) == "admin"
    with pytest.raises(Unreachable, match="ertificate"):
        await whoami(await connect(kubeconfig(tls_server_name="other")))


class Tunnels:
    """An HTTP proxy that knows CONNECT alone."""

    def __init__(self):
        self.asked = []

    async def serve(self, reader, writer):
        line = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")[0].decode()
        self.asked.append(line)
        host, _, port = line.split()[1].rpartition(":")
        there, back = await asyncio.open_connection(host, int(port))
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        await asyncio.gather(self._copy(reader, back), self._copy(there, writer))

    async def _copy(self, source, target):
        while data := await source.read(65536):
            target.write(data)
        target.close()


async def test_a_proxy_on_the_way(plane, kubeconfig):
    tunnels = Tunnels()
    server = await asyncio.start_server(tunnels.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    assert await whoami(await connect(kubeconfig(proxy_url=f"http://127.0.0.1:{port}"))) == "admin"
    assert tunnels.asked == [f"CONNECT 127.0.0.1:{plane.port} HTTP/1.1"]
    server.close()


async def test_several_at_once_ask_a_source_once(plane, kubeconfig, tmp_path):
    told = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential"}
    script, log = tmp_path / "helper", tmp_path / "log"
    said = json.dumps(told | {"status": {"token": plane.token}})
    script.write_text(f"#!/bin/sh\necho x >> {log}\necho '{said}'\n")
    script.chmod(0o700)
    connection = await connect(
        kubeconfig({"exec": {"apiVersion": told["apiVersion"], "command": "./helper"}})
    )
    await asyncio.gather(*(connection.refresh() for _ in range(20)))
    assert len(log.read_text().splitlines()) == 2
