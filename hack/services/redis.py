"""Redis for tests."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from hack.services.packages import find
from hack.services.process import Process, spawn
from hack.services.server import Server, exchange


class Redis(Server):
    """Redis 7 without persistence."""

    name: ClassVar[str] = "redis"
    variable: ClassVar[str] = "QD_TEST_REDIS_URL"
    account: ClassVar[str] = "redis"

    @property
    def url(self) -> str:
        """See `Server.url`."""
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    @classmethod
    def program(cls) -> Path:
        """See `Server.program`."""
        return find("redis-server", "redis-server", [])

    def prepare(self) -> None:
        """See `Server.prepare`."""
        configuration = self.directory / "redis.conf"
        configuration.write_text(
            f"bind 127.0.0.1\nport {self.port}\nrequirepass {self.password}\n"
            f'save ""\nappendonly no\ndaemonize no\ndir {self.directory}\n'
        )
        configuration.chmod(0o644)  # the folder around it is private

    def launch(self) -> list[Process]:
        """See `Server.launch`."""
        return [spawn([str(self.program()), str(self.directory / "redis.conf")], self.log, {}, self.user())]

    def answers(self) -> bool:
        """See `Server.answers`."""
        return exchange(self.port, f"AUTH {self.password}\r\n".encode()).startswith(b"+OK")
