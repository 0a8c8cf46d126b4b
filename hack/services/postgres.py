"""PostgreSQL for tests."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import ClassVar

from hack.services.packages import find
from hack.services.process import Process, run, spawn
from hack.services.server import Server

# A benchmark of commits says QD_SERVICES_FSYNC=on; a killed process loses nothing either way.
CONFIGURATION = """
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = ''
max_connections = 300
shared_buffers = 128MB
fsync = {fsync}
password_encryption = 'scram-sha-256'
"""


class Postgres(Server):
    """PostgreSQL 15 or newer; the role in the URL is a superuser."""

    name: ClassVar[str] = "postgres"
    variable: ClassVar[str] = "QD_TEST_POSTGRES_URL"
    account: ClassVar[str] = "postgres"
    stop_signal: ClassVar[int] = signal.SIGINT  # the default signal waits for every client to leave

    @property
    def url(self) -> str:
        """See `Server.url`."""
        return f"postgresql://quarterdeck:{self.password}@127.0.0.1:{self.port}/postgres"

    @property
    def data(self) -> Path:
        """The cluster's directory."""
        return self.directory / "data"

    @classmethod
    def program(cls) -> Path:
        """See `Server.program`."""
        return _program("postgres")

    def prepare(self) -> None:
        """See `Server.prepare`."""
        initdb = _program("initdb")
        user = self.user()
        password = self.directory / "password"
        password.write_text(self.password + "\n")
        password.chmod(0o644)  # the folder around it is private
        command = [str(initdb), "-D", str(self.data), "-U", "quarterdeck", "-E", "UTF8", "--no-sync"]
        command += ["--auth=scram-sha-256", f"--pwfile={password}", "--locale=C.UTF-8"]
        run(command, {}, user, self.directory)
        fsync = "on" if os.environ.get("QD_SERVICES_FSYNC") == "on" else "off"
        with (self.data / "postgresql.conf").open("a") as configuration:
            configuration.write(CONFIGURATION.format(port=self.port, fsync=fsync))

    def launch(self) -> list[Process]:
        """See `Server.launch`."""
        return [spawn([str(self.program()), "-D", str(self.data)], self.log, {}, self.user())]

    def answers(self) -> bool:
        """See `Server.answers`."""
        command = [str(_program("pg_isready")), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        try:
            run(command, {}, self.user(), self.directory)
        except RuntimeError:
            return False
        return True


def _program(name: str) -> Path:
    return find(name, "postgresql", ["/usr/lib/postgresql/*/bin", "/opt/homebrew/opt/postgresql@*/bin"])
