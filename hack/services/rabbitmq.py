"""RabbitMQ for tests, apart from any other Erlang on this machine."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from hack.services.packages import find
from hack.services.process import Process, run, spawn
from hack.services.server import Server, exchange, free_port

CONFIGURATION = """
listeners.tcp.1 = 127.0.0.1:{port}
default_user = quarterdeck
default_pass = {password}
log.console = true
log.console.level = info
log.file = false
disk_free_limit.absolute = 50MB
"""
GREETING = b"AMQP\x00\x00\x09\x01"


@dataclass(slots=True)
class RabbitMQ(Server):
    """RabbitMQ 3.10 or newer, one node with a port mapper (epmd), a cookie and a name of its own."""

    name: ClassVar[str] = "rabbitmq"
    variable: ClassVar[str] = "QD_TEST_RABBITMQ_URL"
    account: ClassVar[str] = "rabbitmq"

    mapper_port: int = field(default_factory=free_port)
    node_port: int = field(default_factory=free_port)

    @property
    def url(self) -> str:
        """See `Server.url`."""
        return f"amqp://quarterdeck:{self.password}@127.0.0.1:{self.port}/"

    @classmethod
    def program(cls) -> Path:
        """See `Server.program`."""
        return _program("rabbitmq-server")

    def prepare(self) -> None:
        """See `Server.prepare`."""
        configuration = self.directory / "rabbitmq.conf"
        configuration.write_text(CONFIGURATION.format(port=self.port, password=self.password))
        plugins = self.directory / "plugins"
        plugins.write_text("[].\n")
        for file in (configuration, plugins):
            file.chmod(0o644)  # the folder around them is private

    def launch(self) -> list[Process]:
        """See `Server.launch`."""
        mapper = [str(find("epmd", "erlang-base", [])), "-port", str(self.mapper_port)]
        mapper += ["-address", "127.0.0.1"]
        started = [spawn(mapper, self.directory / "epmd.log", {}, self.user())]
        started.append(spawn([str(self.program())], self.log, self._environment(), self.user()))
        return started

    def answers(self) -> bool:
        """See `Server.answers`."""
        return bool(exchange(self.port, GREETING))

    def control(self, *arguments: str) -> str:
        """Runs `rabbitmqctl` on this node and returns what it printed."""
        command = [str(_program("rabbitmqctl")), "--quiet", *arguments]
        return run(command, self._environment(), self.user(), self.directory)

    def _environment(self) -> dict[str, str]:
        folder = self.directory
        only_here = "-kernel inet_dist_use_interface {127,0,0,1}"
        return {
            "HOME": str(folder),  # the cookie's place
            "ERL_EPMD_PORT": str(self.mapper_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_CRASH_DUMP": "/dev/null",
            "RABBITMQ_NODENAME": f"qd{self.port}@localhost",
            "RABBITMQ_DIST_PORT": str(self.node_port),
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
            "RABBITMQ_MNESIA_BASE": str(folder / "data"),
            "RABBITMQ_LOG_BASE": str(folder / "logs"),
            "RABBITMQ_GENERATED_CONFIG_DIR": str(folder / "generated"),
            "RABBITMQ_PID_FILE": str(folder / "pid"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": only_here,
            "RABBITMQ_CTL_ERL_ARGS": only_here,
            "RABBITMQ_CTL_DIST_PORT_MIN": "1024",
            "RABBITMQ_CTL_DIST_PORT_MAX": "65535",
            # The script then becomes the server, so that its id is the server's.
            "RUNNING_UNDER_SYSTEMD": "true",
        }


def _program(name: str) -> Path:
    # Debian's commands on the PATH insist on root or on one account; these are what they call.
    return find(name, "rabbitmq-server", ["/usr/lib/rabbitmq/bin", "/opt/homebrew/opt/rabbitmq/sbin"])
