"""Services talk by mutual TLS on TCP, and go over to new certificates without losing a call."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from quarterdeck.common.errors import Unavailable
from quarterdeck.common.identity import Principal
from quarterdeck.common.rpc_client import act_for
from quarterdeck.common.service import Platform, open_platform
from quarterdeck.common.settings import PlatformSettings
from quarterdeck.common.transport.authority import Authority
from quarterdeck.common.transport.certificates import CertificateError, Certificates, read_material
from quarterdeck.v1 import resources_pb2, resources_pb2_grpc

SERVICE = resources_pb2.DESCRIPTOR.services_by_name["RegistryService"]


class Servicer(resources_pb2_grpc.RegistryServiceServicer):
    def __init__(self) -> None:
        self.certificates: set[bytes] = set()

    async def GetObject(self, request: Any, context: Any) -> Any:
        self.certificates |= set(context.auth_context().get("x509_pem_cert", ()))
        await asyncio.sleep(0.005)
        return resources_pb2.Object()

    async def WatchObjects(self, request: Any, context: Any) -> AsyncIterator[Any]:
        for _ in range(20):
            await asyncio.sleep(0.1)
            yield resources_pb2.WatchEvent()


class Pair:
    """A registry on TCP, and gateways that call it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority = Authority.at(folder / "authority")
        for service in ("registry", "gateway"):
            self.authority.issue(folder / service, [service])
        self.servicer = Servicer()
        self.opened: list[Platform] = []

    def settings(self, service: str, **more: Any) -> PlatformSettings:
        return PlatformSettings(
            data_dir=self.folder / "data" / service, keys_directory=self.folder / "keys", **more
        )

    def open(self, service: str, **more: Any) -> Platform:
        platform = open_platform(service, self.settings(service, **more))
        self.opened.append(platform)
        return platform

    async def serve(self) -> None:
        registry = self.open(
            "registry", listen="127.0.0.1:0", tls_directory=self.folder / "registry", connection_age=0.3
        )
        self.server = registry.rpc_server(SERVICE)
        resources_pb2_grpc.add_RegistryServiceServicer_to_server(self.servicer, self.server.grpc)
        await self.server.start()
        self.address = f"ipv4:127.0.0.1:{self.server.port}"

    def gateway(self, **more: Any) -> Platform:
        more = {"tls_directory": self.folder / "gateway"} | more
        return self.open("gateway", peers={"registry": self.address}, **more)

    async def close(self) -> None:
        for platform in self.opened[1:]:
            await platform.close()
        await self.server.stop(0)
        await self.opened[0].close()


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[Pair]:
    made = Pair(tmp_path)
    await made.serve()
    act_for(Principal("local:admin", ("quarterdeck:platform-admins",)))
    yield made
    act_for(None)
    await made.close()


async def get(gateway: Platform, **options: Any) -> Any:
    peer = gateway.peer("registry")
    stub = peer.stub(resources_pb2_grpc.RegistryServiceStub)
    return await peer.call(stub.GetObject, resources_pb2.GetObjectRequest(), timeout=5.0, **options)


async def test_a_call_shows_the_callers_certificate(pair: Pair) -> None:
    await get(pair.gateway())
    mine = (pair.folder / "gateway" / "tls.crt").read_bytes()
    assert [shown.strip() for shown in pair.servicer.certificates] == [mine.strip()]


async def test_who_shows_no_certificate_or_a_foreign_one_is_not_heard(pair: Pair) -> None:
    plain = pair.gateway(tls_directory=None, plaintext=True)
    with pytest.raises(Unavailable):
        await get(plain, patience=0)
    Authority.make().issue(pair.folder / "foreign", ["gateway"])
    (pair.folder / "foreign" / "ca.crt").write_bytes((pair.folder / "gateway" / "ca.crt").read_bytes())
    with pytest.raises(Unavailable):
        await get(pair.gateway(tls_directory=pair.folder / "foreign"), patience=0)
    assert not pair.servicer.certificates


async def test_a_server_that_is_another_service_is_not_called(pair: Pair) -> None:
    gateway = pair.open("gateway", peers={"memory": pair.address}, tls_directory=pair.folder / "gateway")
    peer = gateway.peer("memory")
    stub = peer.stub(resources_pb2_grpc.RegistryServiceStub)
    with pytest.raises(Unavailable):
        await peer.call(stub.GetObject, resources_pb2.GetObjectRequest(), timeout=5.0, patience=0)
    assert not pair.servicer.certificates


async def test_certificates_are_replaced_under_load_and_no_call_fails(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("quarterdeck.common.transport.certificates.LOOK_AGAIN", 0.05)
    gateway = pair.gateway()
    peer = gateway.peer("registry")
    stub = peer.stub(resources_pb2_grpc.RegistryServiceStub)
    until, made = time.monotonic() + 2.5, 0

    async def call_again_and_again() -> None:
        nonlocal made
        while time.monotonic() < until:
            await get(gateway)
            made += 1

    async def watch() -> int:
        events = peer.stream(stub.WatchObjects, resources_pb2.WatchObjectsRequest())
        return len([event async for event in events])

    async def replace() -> None:
        for _ in range(3):
            await asyncio.sleep(0.6)
            for service in ("registry", "gateway"):
                pair.authority.issue(pair.folder / service, [service])

    *_, seen, _ = await asyncio.gather(*(call_again_and_again() for _ in range(8)), watch(), replace())
    assert made > 100
    assert seen == 20
    assert len(pair.servicer.certificates) == 4


async def test_files_that_make_no_sense_change_nothing_and_are_said(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("quarterdeck.common.transport.certificates.LOOK_AGAIN", 0.0)
    gateway = pair.gateway()
    await get(gateway)
    Authority.make().issue(pair.folder / "other", ["gateway"])
    (pair.folder / "gateway" / "tls.key").write_bytes((pair.folder / "other" / "tls.key").read_bytes())
    await get(gateway)
    with pytest.raises(Unavailable, match="do not belong together"):
        await gateway.checks["tls"]()
    pair.authority.issue(pair.folder / "gateway", ["gateway"])
    await get(gateway)
    await gateway.checks["tls"]()


async def test_files_that_were_away_and_are_back_are_no_trouble_any_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("quarterdeck.common.transport.certificates.LOOK_AGAIN", 0.0)
    Authority.make().issue(tmp_path / "here", ["gateway"])
    certificates = Certificates(tmp_path / "here")
    (tmp_path / "here").rename(tmp_path / "away")
    with pytest.raises(Unavailable, match=r"tls\.crt cannot be read"):
        await certificates.check()
    (tmp_path / "away").rename(tmp_path / "here")
    await certificates.check()


async def test_a_certificate_that_has_expired_is_said(tmp_path: Path) -> None:
    Authority.make().issue(tmp_path, ["gateway"], days=-0.001)
    with pytest.raises(Unavailable, match="expired"):
        await Certificates(tmp_path).check()


def test_what_is_wrong_with_the_files_is_named(tmp_path: Path) -> None:
    with pytest.raises(CertificateError, match=r"tls\.crt cannot be read"):
        read_material(tmp_path)
    Authority.make().issue(tmp_path, ["gateway"])
    (tmp_path / "tls.key").write_text("nonsense")
    with pytest.raises(CertificateError, match=r"tls\.key is no private key"):
        read_material(tmp_path)
    (tmp_path / "ca.crt").write_text("nonsense")
    with pytest.raises(CertificateError, match="no certificate"):
        read_material(tmp_path)


def test_keys_are_their_owners_alone(tmp_path: Path) -> None:
    authority = Authority.at(tmp_path)
    authority.issue(tmp_path / "gateway", ["gateway", "127.0.0.1"])
    keys = (tmp_path / "ca.key", tmp_path / "gateway" / "tls.key")
    assert [path.stat().st_mode & 0o777 for path in keys] == [0o600, 0o600]
    assert Authority.at(tmp_path).certificate == authority.certificate


def test_tcp_without_certificates_is_refused_unless_said_so() -> None:
    with pytest.raises(ValueError, match="QD_TLS_DIRECTORY"):
        PlatformSettings(listen="127.0.0.1:0")
    with pytest.raises(ValueError, match=r"calls to dns:///registry:8500 would not be encrypted"):
        PlatformSettings(peers={"registry": "dns:///registry:8500"})
    assert PlatformSettings(listen="0.0.0.0:8500", plaintext=True).plaintext
    assert PlatformSettings(listen="unix:/run/registry.sock").listen


async def test_a_channel_to_a_socket_needs_no_certificate(pair: Pair) -> None:
    gateway = pair.open("gateway", tls_directory=pair.folder / "gateway")
    assert isinstance(gateway.peer("registry").channel, grpc.aio.Channel)
