"""What `qd doctor` finds out about the platform: who serves, on which ports, in what health."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from typing import Any

from quarterdeck.cli.api import Api
from quarterdeck.cli.checks import Check, Level
from quarterdeck.cli.constants import CONTROLLER_PORTS, MANAGEMENT_PORTS
from quarterdeck.cli.contexts import resolve
from quarterdeck.cli.datadir import find_data_dir, read_endpoint
from quarterdeck.cli.errors import CliError
from quarterdeck.cli.processes import ServiceProcess, service_processes

# Seconds that a service's process has to say how it does.
PATIENCE = 6.0
PORTS = {8420: "REST", 8421: "gRPC"}


def platform_checks(context: str = "") -> Iterator[Check]:
    """Yields what is known of the platform of a context."""
    if read_endpoint(find_data_dir()) is None:
        yield from check_ports()
    try:
        connection = resolve(context)
    except CliError as error:
        yield Check(Level.NOTE, "platform", error.message, error.hint)
        return
    with Api(connection) as api:
        yield from _health(api)


def _health(api: Api) -> Iterator[Check]:
    try:
        answer = api.root("/health")
    except CliError as error:
        yield Check(Level.BAD, "platform", error.message, error.hint)
        return
    yield Check(Level.OK, "platform", f"answers at {api.connection.url}")
    yield from service_checks(answer)
    here = read_endpoint(find_data_dir())
    if not _is_whole(answer) and here is not None and here.url == api.connection.url:
        yield from process_checks(service_processes(find_data_dir()))
    try:
        api.get(api.tenant_path("agents"), {"limit": 1})
    except CliError as error:
        yield Check(Level.BAD, "token", error.message, error.hint or "see `qd config set-context`")
    else:
        yield Check(Level.OK, "token", f"accepted for tenant {api.connection.tenant}")


def service_checks(health: Any) -> Iterator[Check]:
    """Yields a check for each part that a health answer names: of one service, or of several."""
    services = health.get("services") if isinstance(health, dict) else None
    parts = services if isinstance(services, dict) else {str(health.get("service", "gateway")): health}
    for name in sorted(
        parts, key=lambda word: list(MANAGEMENT_PORTS).index(word) if word in MANAGEMENT_PORTS else 9
    ):
        found = parts[name]
        checks = found.get("checks", {}) if isinstance(found, dict) else {}
        failing = [f"{part}: {text}" for part, text in checks.items() if text != "ok"]
        status = str(found.get("status") if isinstance(found, dict) else found)
        if failing or status != "ok":
            text = "; ".join(failing) or status
            yield Check(Level.BAD, name, text, "see `qd logs`")
        else:
            yield Check(Level.OK, name, ", ".join(checks) or "healthy")


def _is_whole(health: Any) -> bool:
    return isinstance(health, dict) and isinstance(health.get("services"), dict)


def process_checks(processes: list[ServiceProcess]) -> Iterator[Check]:
    """Yields how the other services do, where each has a process of its own in this data directory."""
    for name in MANAGEMENT_PORTS:
        if name == "gateway":  # it answered for itself
            continue
        mine = [process for process in processes if process.service == name]
        for process in mine:
            yield from _process_check(process)
        if not mine:
            hint = f"`qd serve {name}`, unless it serves from another directory or machine"
            yield Check(Level.BAD, name, "no process of it in this data directory", hint)
    for process in processes:
        if process.service in CONTROLLER_PORTS:
            yield from _process_check(process)


def _process_check(process: ServiceProcess) -> Iterator[Check]:
    from quarterdeck.cli.http_library import httpx

    try:
        answer = httpx.get(process.health, timeout=PATIENCE, trust_env=False).json()
    except (httpx.HTTPError, ValueError) as error:
        text = f"process {process.pid} does not answer at {process.health}: {error or type(error).__name__}"
        yield Check(Level.BAD, process.service, text, "see what it printed, or start it again")
    else:
        yield from service_checks(answer)


def check_ports() -> Iterator[Check]:
    """Checks that the default ports are free, when no local platform has them."""
    for port, use in PORTS.items():
        if port_is_free(port):
            yield Check(Level.OK, f"port {port}", f"free for {use}")
        else:
            hint = (
                f"stop the process that has it, or `qd up {'--port' if use == 'REST' else '--grpc-port'} 0`"
            )
            yield Check(Level.NOTE, f"port {port}", f"in use by another process (wanted for {use})", hint)


def port_is_free(port: int) -> bool:
    """True if one can listen on a loopback port."""
    with contextlib.closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
