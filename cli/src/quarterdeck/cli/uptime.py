"""`qd up` and `qd serve`: a process that serves one data directory until it is told to stop."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from quarterdeck.cli.constants import LOG_FILE, VERSION
from quarterdeck.cli.datadir import Endpoint, find_data_dir, read_admin_token, remove_endpoint, write_endpoint
from quarterdeck.cli.locks import hold_locks
from quarterdeck.cli.output import say
from quarterdeck.cli.startup_errors import explain_start
from quarterdeck.common.settings import PlatformSettings, make_private_directory


def load_settings(**given: Any) -> PlatformSettings:
    """Returns the platform's settings on the data directory that clients would find. Raises CliError.

    Args:
        given: settings that go before those of the environment.
    """
    try:
        settings = PlatformSettings(**given)
        if "data_dir" not in settings.model_fields_set:
            settings.data_dir = find_data_dir()
        return settings
    except ValueError as error:
        raise explain_start(error, find_data_dir()) from None


def set_ports(host: str, port: int | None, grpc_port: int | None) -> None:
    """Hands command-line options to the gateway, which reads its own settings."""
    chosen = {
        "QD_GATEWAY_HOST": host or None,
        "QD_GATEWAY_HTTP_PORT": port,
        "QD_GATEWAY_GRPC_PORT": grpc_port,
    }
    for name, value in chosen.items():
        if value is not None:
            os.environ[name] = str(value)


@contextlib.contextmanager
def owned_data_dir(data_dir: Path, services: Sequence[str]) -> Iterator[None]:
    """Makes the data directory and holds the locks of `services` on it. Raises CliError if that cannot be."""
    with contextlib.ExitStack() as held:
        try:
            make_private_directory(data_dir)
            check_writable(data_dir)
            held.enter_context(hold_locks(data_dir, services))
        except OSError as error:
            raise explain_start(error, data_dir) from None
        yield


def owned_services(settings: PlatformSettings, service: str) -> Sequence[str]:
    """Returns which locks a process of `service` needs: replicas may share what a database server keeps."""
    return (service,) if settings.database_for(service).startswith("sqlite:") else ()


def check_writable(data_dir: Path) -> None:
    """Writes and removes a file: a full or read-only disk is told before anything starts. Raises OSError."""
    probe = data_dir / f".probe-{os.getpid()}"
    try:
        with probe.open("wb") as file:
            file.write(b"\0" * 4096)
            file.flush()
            os.fsync(file.fileno())
    finally:
        probe.unlink(missing_ok=True)


def announce_endpoint(data_dir: Path, url: str, grpc: str) -> None:
    """Writes the file by which clients find this process."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    write_endpoint(data_dir, Endpoint(url=url, grpc=grpc, pid=os.getpid(), started_at=now))


@contextlib.contextmanager
def announced(data_dir: Path) -> Iterator[Callable[[str, str], None]]:
    """Yields a function that announces (url, grpc address); the announcement ends with the block."""
    try:
        yield lambda url, grpc: announce_endpoint(data_dir, url, grpc)
    finally:
        remove_endpoint(data_dir)


def say_ready(data_dir: Path, url: str, grpc: str, next_steps: Sequence[str]) -> None:
    """Prints where everything is, the token, and what to type next.

    A screen is shown the token itself. Anything else is a log, which others read and which is kept.
    """
    place = shown_path(data_dir / "admin-token")
    token = f"{read_admin_token(data_dir)}   (in {place})" if sys.stdout.isatty() else f"in {place}"
    say(
        f"Quarterdeck {VERSION} is up: five services in process {os.getpid()}, data in {shown_path(data_dir)}"
    )
    say(f"  REST         {url}/api/v1   (docs: {url}/docs)")
    say(f"  gRPC         {grpc}")
    say(f"  admin token  {token}")
    say(f"  log          {shown_path(data_dir / LOG_FILE)}")
    say("Type next, in another terminal:")
    for step in next_steps:
        say(f"  {step}")
    say("Ctrl-C stops it; open runs go on at the next start.")


def say_draining() -> None:
    """Prints that the process stops."""
    print("stopping: finishing what is under way (again to stop at once)", file=sys.stderr, flush=True)


def shown_path(path: Path) -> str:
    """Returns a path relative to here when it is below."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
