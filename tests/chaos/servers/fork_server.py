"""Has imported a worker once, and forks it as often as it is asked to.

Reads one JSON object a line: the `arguments` of `qd`, the `environment`, the file for the `output`. Answers
each with a process id. What it forks is a process of its own, in a session of its own, with its own memory
from there on; it starts with nothing but what importing left behind.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import signal
import sys
import threading
from typing import Any

# What `qd serve agent-runtime` imports, also what it imports when it needs it.
IMPORTED = (
    "quarterdeck.cli.main",
    "quarterdeck.cli.commands.serve",
    "quarterdeck.cli.logfile",
    "quarterdeck.cli.serving",
    "quarterdeck.common.bus.rabbitmq.adapter",
    "quarterdeck.common.database.postgres",
    "quarterdeck.common.migrations",
    "quarterdeck.runtime.main",
    "quarterdeck.runtime.migrations",
    "grpc_health.v1.health",
    "jwt",
    "redis.asyncio",
    "starlette.applications",
    "uvicorn.lifespan.off",
    "uvicorn.protocols.http.httptools_impl",
    "uvloop",
)


def main() -> None:
    """Imports, and forks until nobody asks any more."""
    for name in IMPORTED:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    print("ready", flush=True)
    while line := sys.stdin.readline():
        assert threading.active_count() == 1, "a thread would be missing in what is forked"
        child = os.fork()
        if child == 0:
            _become(json.loads(line))
        print(child, flush=True)


def _become(wish: dict[str, Any]) -> None:
    """Is, from here on, the process that was asked for."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    screen = os.open(wish["output"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for target, source in ((0, os.open(os.devnull, os.O_RDONLY)), (1, screen), (2, screen)):
        os.dup2(source, target)
    os.environ.clear()
    os.environ.update(wish["environment"])
    code = 1
    try:
        code = sys.modules["quarterdeck.cli.main"].main(wish["arguments"])
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    main()
