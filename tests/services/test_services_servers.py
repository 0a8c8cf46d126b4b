"""The servers that tests run against: they serve, are found again, and leave nothing behind."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from hack.services import KINDS, RabbitMQ, keeper, state
from hack.services.packages import Missing, find, install
from hack.services.process import spawn
from hack.services.server import exchange


@pytest.mark.parametrize("name", sorted(KINDS))
def test_a_server_serves_is_found_again_and_leaves_nothing(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "state"
    server = state.ensure(folder, name)
    data = state.data_folder(folder)
    try:
        assert server.answers()
        assert state.ensure(folder, name).processes == server.processes
        assert _listens_on_loopback_only(server.port)
        assert _account_of(server.processes[-1].pid) != 0
    finally:
        assert state.stop_all(folder) == [name]
    assert not server.alive()
    assert not data.exists()
    assert not folder.exists()


def _account_of(pid: int) -> int:
    command = ["ps", "-o", "uid=", "-p", str(pid)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _listens_on_loopback_only(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))
        outside = probe.getsockname()[0]
    with socket.socket() as client:
        client.settimeout(2.0)
        return client.connect_ex((outside, port)) != 0


def test_the_fixtures_name_servers_that_answer(postgres_url: str, redis_url: str, rabbitmq_url: str) -> None:
    assert exchange(urlsplit(redis_url).port or 0, b"PING\r\n").startswith(b"-NOAUTH")
    assert exchange(urlsplit(rabbitmq_url).port or 0, b"AMQP\x00\x00\x09\x01")
    assert exchange(urlsplit(postgres_url).port or 0, b"\x00\x00\x00\x08\x04\xd2\x16\x2f") == b"N"


def test_a_broker_of_ones_own_can_be_restarted_and_told_what_to_do(broker: RabbitMQ) -> None:
    before = broker.url
    broker.stop()
    assert not broker.answers()
    broker.start()
    assert broker.url == before
    assert "quarterdeck" in broker.control("list_users")


def test_a_session_that_dies_leaves_no_server(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    owner = spawn([sys.executable, "-c", "import time; time.sleep(60)"], tmp_path / "log", {}, None)
    server = state.ensure(folder, "redis")
    guard = keeper.post(folder, owner.pid)
    try:
        assert server.alive()
        owner.send(9)
        until = time.monotonic() + 20
        while folder.exists() and time.monotonic() < until:
            time.sleep(0.1)
        assert not server.alive()
        assert not folder.exists()
    finally:
        if folder.exists():
            state.stop_all(folder)
        guard.wait(20)


def test_a_package_that_nobody_may_install_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 1000)
    with pytest.raises(
        Missing, match="redis-server is not installed; on Debian: sudo apt-get install redis-server"
    ):
        install("redis-server")


def test_the_newest_version_of_a_program_is_taken(tmp_path: Path) -> None:
    for version in ("9", "15", "16"):
        program = tmp_path / version / "bin" / "serve"
        program.parent.mkdir(parents=True)
        program.touch()
    assert find("serve", "none", [f"{tmp_path}/*/bin"]) == tmp_path / "16" / "bin" / "serve"
