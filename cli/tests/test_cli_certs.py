"""`qd certs`, and what a service says that has none."""

from __future__ import annotations

import socket
import ssl
import subprocess
import sys
import time
from pathlib import Path

import pytest

from quarterdeck.cli.main import main
from quarterdeck.common.constants import SERVICES
from quarterdeck.common.transport.certificates import read_material


def test_every_service_gets_a_certificate_and_keeps_its_authority(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["certs", str(tmp_path)]) == 0
    first = {service: read_material(tmp_path / service) for service in SERVICES}
    assert main(["certs", str(tmp_path), "--days", "1"]) == 0
    assert "valid for 1 days" in capsys.readouterr().out
    for service in SERVICES:
        renewed = read_material(tmp_path / service)
        assert renewed.authorities == first[service].authorities
        assert renewed.expires < first[service].expires


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert main(["certs", str(tmp_path / "file" / "below")]) != 0
    assert "no certificates in" in capsys.readouterr().err


def test_a_service_on_tcp_says_that_it_has_no_certificate(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QD_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("QD_LISTEN", "127.0.0.1:0")
    assert main(["serve", "registry"]) != 0
    assert "QD_TLS_DIRECTORY" in capsys.readouterr().err
    monkeypatch.setenv("QD_TLS_DIRECTORY", str(tmp_path / "nothing"))
    assert main(["serve", "registry"]) != 0
    said = capsys.readouterr().err
    assert "tls.crt cannot be read" in said
    assert "qd certs" in said


def test_a_service_speaks_tls_1_3_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    main(["certs", str(tmp_path / "certs")])
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    monkeypatch.setenv("QD_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("QD_LISTEN", f"127.0.0.1:{port}")
    monkeypatch.setenv("QD_TLS_DIRECTORY", str(tmp_path / "certs" / "registry"))
    command = [sys.executable, "-m", "quarterdeck.cli.main", "serve", "registry", "--management-port", "0"]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as child:
        try:
            assert _spoken(port, tmp_path / "certs", ssl.TLSVersion.TLSv1_3, patience=20.0) == "TLSv1.3"
            with pytest.raises((ssl.SSLError, ConnectionError)):
                _spoken(port, tmp_path / "certs", ssl.TLSVersion.TLSv1_2)
        finally:
            child.terminate()


def _spoken(port: int, certs: Path, newest: ssl.TLSVersion, patience: float = 0.0) -> str | None:
    """Returns the version of TLS that is agreed on with a client that knows none after `newest`."""
    context = ssl.create_default_context(cafile=str(certs / "ca.crt"))
    context.load_cert_chain(certs / "gateway" / "tls.crt", certs / "gateway" / "tls.key")
    context.maximum_version = newest
    context.set_alpn_protocols(["h2"])
    until = time.monotonic() + patience
    while True:
        try:
            with (
                socket.create_connection(("127.0.0.1", port), timeout=5) as plain,
                context.wrap_socket(plain, server_hostname="registry") as wrapped,
            ):
                return wrapped.version()
        except ConnectionRefusedError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)
