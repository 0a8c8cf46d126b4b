"""A real API server for tests: etcd and kube-apiserver on free loopback ports, up in a few seconds.

No controller manager and no nodes: nothing is collected, cascaded or run, which suits tests that want to be
the only one who acts.
"""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
import shutil
import socket
import tempfile
import urllib.request
import uuid
from collections.abc import Sequence
from pathlib import Path

from quarterdeck.controller.api.client import Client
from quarterdeck.controller.api.connection import connect
from quarterdeck.controller.api.errors import ApiError
from quarterdeck.controller.api.resource import Resource
from quarterdeck.controller.api.transport import Transport
from quarterdeck.controller.objects import Object, key_of
from quarterdeck.controller.testing.certificates import write_keys
from quarterdeck.controller.testing.daemon import Daemon

START_TIMEOUT = 110.0
_LOOPBACK = "127.0.0.1"
# etcd takes at most 128 operations in a transaction.
_SEEDS_AT_ONCE = 100


class ControlPlane:
    """See the module. Make one, `await start()`, and `await stop()` in the end.

    Args:
        programs: the folder of etcd and kube-apiserver.
        flags: more flags for kube-apiserver.

    Attributes:
        port: of the API server; stays the same over a restart.
        kubeconfig: a file that makes its reader `system:masters`.
    """

    def __init__(self, programs: Path, flags: Sequence[str] = ()) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="control-plane-"))
        self.port, self._etcd_port, peer_port = _free_ports(3)
        self.token = secrets.token_urlsafe(16)
        self.kubeconfig = self.folder / "kubeconfig"
        self._etcd_url = f"http://{_LOOPBACK}:{self._etcd_port}"
        self.etcd = Daemon(
            _etcd(programs, self.folder, self._etcd_url, f"http://{_LOOPBACK}:{peer_port}"),
            self.folder / "etcd.log",
        )
        self.apiserver = Daemon(
            [*_apiserver(programs, self.folder, self._etcd_url, self.port), *flags],
            self.folder / "kube-apiserver.log",
        )

    async def start(self) -> None:
        """Starts both and waits until the API server is ready; RuntimeError with its log if never."""
        write_keys(self.folder / "keys")
        users = self.folder / "tokens.csv"
        users.write_text(f'{self.token},admin,admin,"system:masters"\n')
        self.write_kubeconfig(self.kubeconfig, self.port, self.token)
        self.etcd.start()
        self.apiserver.start()
        await self.ready()

    async def ready(self) -> None:
        """Waits until the API server answers that it is ready."""
        client = await self.client()
        try:
            async with asyncio.timeout(START_TIMEOUT):
                while not await self._answers(client):  # noqa: ASYNC110 - another process, which sets no event
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise RuntimeError(f"no API server within {START_TIMEOUT:g} s: {self._why()}") from None
        finally:
            await client.close()

    async def _answers(self, client: Client) -> bool:
        if self.apiserver.ended is not None or self.etcd.ended is not None:
            raise RuntimeError(f"the API server ended: {self._why()}")
        try:
            return await client.raw("/readyz", timeout=5) == "ok"
        except ApiError:
            return False

    async def restart_apiserver(self) -> None:
        """Kills the API server and starts it again on the same port, over the same objects."""
        await self.apiserver.kill()
        self.apiserver.start()
        await self.ready()

    async def stop(self) -> None:
        """Ends both and removes their folder."""
        for daemon in (self.apiserver, self.etcd):
            daemon.thaw()
            await daemon.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    async def client(self, port: int | None = None) -> Client:
        """Returns a client as `system:masters`, to be closed by the caller.

        Args:
            port: of a proxy in front of the API server; None for itself.
        """
        path = self.kubeconfig
        if port is not None:
            path = self.folder / f"kubeconfig-{port}"
            self.write_kubeconfig(path, port, self.token)
        return Client(Transport(await connect(str(path)), user_agent="test"))

    def write_kubeconfig(self, path: Path, port: int, token: str) -> None:
        """Writes a kubeconfig for `token` and the API server behind `port` of the loopback."""
        cluster = {
            "server": f"https://{_LOOPBACK}:{port}",
            "certificate-authority": str(self.folder / "keys" / "ca.crt"),
        }
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "clusters": [{"name": "test", "cluster": cluster}],
            "users": [{"name": "test", "user": {"token": token}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        }
        path.write_text(json.dumps(content))

    async def compact(self, revision: int) -> None:
        """Makes etcd forget everything before `revision`: older resource versions are gone."""
        await self._etcd_call("compaction", {"revision": revision, "physical": True})

    async def seed(self, resource: Resource, things: Sequence[Object]) -> None:
        """Puts many custom resources into etcd, a hundred in one request, past the API server and its checks.

        Args:
            things: whole objects but for `uid`, `generation` and `creationTimestamp`, which they get here.
        """
        for start in range(0, len(things), _SEEDS_AT_ONCE):
            puts = [_seed(resource, thing) for thing in things[start : start + _SEEDS_AT_ONCE]]
            await self._etcd_call("txn", {"success": [{"requestPut": put} for put in puts]})

    async def _etcd_call(self, name: str, body: Object) -> None:
        request = urllib.request.Request(f"{self._etcd_url}/v3/kv/{name}", json.dumps(body).encode())
        answer = await asyncio.to_thread(urllib.request.urlopen, request, timeout=30)
        answer.close()

    def _why(self) -> str:
        return f"{self.etcd.log_tail()[-500:]}\n{self.apiserver.log_tail()}"


def _seed(resource: Resource, thing: Object) -> dict[str, str]:
    created = {"uid": str(uuid.uuid4()), "generation": 1, "creationTimestamp": "2026-01-01T00:00:00Z"}
    whole = thing | {"metadata": thing["metadata"] | created}
    key = key_of(thing)
    place = f"/registry/{resource.group}/{resource.plural}/{key.namespace}/{key.name}"
    return {
        "key": base64.b64encode(place.encode()).decode(),
        "value": base64.b64encode(json.dumps(whole).encode()).decode(),
    }


def _etcd(programs: Path, folder: Path, url: str, peer: str) -> list[str]:
    return [
        str(programs / "etcd"),
        f"--data-dir={folder / 'etcd'}",
        f"--listen-client-urls={url}",
        f"--advertise-client-urls={url}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
        "--unsafe-no-fsync",
        "--log-level=warn",
    ]


def _apiserver(programs: Path, folder: Path, etcd: str, port: int) -> list[str]:
    keys = folder / "keys"
    return [
        str(programs / "kube-apiserver"),
        f"--etcd-servers={etcd}",
        f"--bind-address={_LOOPBACK}",
        f"--advertise-address={_LOOPBACK}",
        f"--secure-port={port}",
        f"--tls-cert-file={keys / 'server.crt'}",
        f"--tls-private-key-file={keys / 'server.key'}",
        f"--client-ca-file={keys / 'ca.crt'}",
        f"--service-account-key-file={keys / 'accounts.pub'}",
        f"--service-account-signing-key-file={keys / 'accounts.key'}",
        "--service-account-issuer=https://kubernetes.default.svc",
        "--service-cluster-ip-range=10.244.0.0/24",
        f"--token-auth-file={folder / 'tokens.csv'}",
        "--authorization-mode=RBAC",
        "--endpoint-reconciler-type=none",
        "--profiling=false",
    ]


def _free_ports(count: int) -> list[int]:
    held = [socket.create_server((_LOOPBACK, 0)) for _ in range(count)]
    ports = [int(each.getsockname()[1]) for each in held]
    for each in held:
        each.close()
    return ports
