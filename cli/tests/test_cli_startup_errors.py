"""Why a platform did not start, in one line."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
from pydantic import BaseModel, ValidationError

from quarterdeck.cli.constants import EXIT_FAILED, EXIT_IN_USE, EXIT_INVALID, EXIT_STORAGE
from quarterdeck.cli.startup_errors import explain_start
from quarterdeck.cli.uptime import check_writable
from quarterdeck.common.errors import Unavailable
from quarterdeck.gateway.http_server import cannot_listen

HERE = Path("/data")


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (
            OSError(errno.ENOSPC, "No space left on device", "/data/x.db"),
            EXIT_STORAGE,
            "the disk that holds /data",
        ),
        (PermissionError(errno.EACCES, "Permission denied", "/data"), EXIT_STORAGE, "cannot write /data"),
        (OSError(errno.EROFS, "Read-only file system", "/data"), EXIT_STORAGE, "cannot write /data"),
        (
            OSError(errno.EADDRINUSE, "127.0.0.1:8420: Address already in use"),
            EXIT_IN_USE,
            "port 8420 is in use",
        ),
        (
            Unavailable("the database file /d/r.db is corrupt", reason="CorruptDatabase"),
            EXIT_STORAGE,
            "/d/r.db",
        ),
        (Unavailable("port 8421 is in use", hint="x"), EXIT_IN_USE, "port 8421"),
        (Unavailable("the engine did not open"), EXIT_FAILED, "the engine did not open"),
        (RuntimeError("odd"), EXIT_FAILED, "RuntimeError: odd"),
    ],
)
def test_each_cause_has_a_line_and_a_code(error: Exception, code: int, words: str) -> None:
    found = explain_start(error, HERE)
    assert found.code == code
    assert words in found.message
    assert "\n" not in found.message


@pytest.mark.parametrize(
    ("setting", "option"), [("QD_GATEWAY_HTTP_PORT", "--port"), ("QD_GATEWAY_GRPC_PORT", "--grpc-port")]
)
def test_a_port_in_use_names_the_option_that_chooses_another(setting: str, option: str) -> None:
    taken = OSError(errno.EADDRINUSE, "Address already in use")
    found = explain_start(cannot_listen("127.0.0.1", 8421, setting, taken), HERE)
    assert found.code == EXIT_IN_USE
    assert found.message == "port 8421 is in use by another process"
    assert f"with {option} " in found.hint


def test_a_wrong_setting_is_named() -> None:
    class Settings(BaseModel):
        port: int

    with pytest.raises(ValidationError) as caught:
        Settings.model_validate({"port": "x"})
    found = explain_start(caught.value, HERE)
    assert found.code == EXIT_INVALID
    assert found.details[0].startswith("port: ")


def test_a_probe_leaves_nothing_behind(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    check_writable(folder)
    assert list(folder.iterdir()) == []
    with pytest.raises(OSError, match="No such file"):
        check_writable(tmp_path / "missing")
