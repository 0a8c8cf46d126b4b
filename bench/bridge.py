"""What the bridge of a tool pod adds to a call.

Usage: python bench/bridge.py [--calls N]

The same echo server is called over its pipes, and through the bridge over one kept connection, by turns, with
the barest clients there are: what is left is the bridge and a loopback connection. Beside it stands that
connection alone, to a server that answers at once.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import re
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from report import BUILD, Figure, report
from tools import ECHO

ROOT = Path(__file__).parent.parent
TARGET_MS = 0.2
TARGET_MIB = 8
WARM_UP = 200
HELLO = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "bench", "version": "1"}}
Once = Callable[[], None]


def request(method: str, params: dict[str, object]) -> bytes:
    """Returns a JSON-RPC request."""
    return json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()


CALL = request("tools/call", {"name": "echo", "arguments": {"text": "hello"}})


@contextlib.contextmanager
def direct() -> Iterator[Once]:
    """The server over its pipes."""
    command = [sys.executable, "-c", ECHO]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        to, answers = server.stdin, open(server.stdout.fileno(), "rb", closefd=False)  # noqa: SIM115

        def once() -> None:
            to.write(CALL + b"\n")
            assert b"hello" in answers.readline()

        yield once
        server.kill()


class Http:
    """One kept connection that posts and reads whole answers."""

    def __init__(self, address: tuple[str, int], headers: str = "") -> None:
        self._socket = socket.create_connection(address)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._answers = self._socket.makefile("rb")
        self.headers = headers

    def post(self, body: bytes) -> tuple[str, bytes]:
        """Returns the headers and the body of the answer."""
        head = f"POST /mcp HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n{self.headers}"
        self._socket.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        lines = b"".join(iter(self._answers.readline, b"\r\n")).decode()
        found = re.search(r"content-length: (\d+)", lines, re.IGNORECASE)
        return lines, self._answers.read(int(found.group(1))) if found else b""


@contextlib.contextmanager
def bridged(program: Path) -> Iterator[Once]:
    """The server behind the bridge."""
    command = [str(program), "serve", "-listen", "127.0.0.1:0", "-management", "", "-check=false", "--"]
    with subprocess.Popen([*command, sys.executable, "-c", ECHO], stderr=subprocess.PIPE) as bridge:
        assert bridge.stderr is not None
        client = Http(("127.0.0.1", _port(bridge.stderr)))
        lines, _ = client.post(request("initialize", dict(HELLO)))
        found = re.search(r"mcp-session-id: (\S+)", lines, re.IGNORECASE)
        assert found
        client.headers = f"Mcp-Session-Id: {found.group(1)}\r\n"

        def once() -> None:
            assert b"hello" in client.post(CALL)[1]

        yield once
        bridge.terminate()


def _port(lines: IO[bytes]) -> int:
    for line in lines:
        if found := re.search(rb":(\d+)/mcp", line):
            return int(found.group(1))
    raise RuntimeError("the bridge did not start")


@contextlib.contextmanager
def bare() -> Iterator[Once]:
    """A loopback connection to a thread that answers at once."""
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listener.accept()
        while connection.recv(65536):
            connection.sendall(answer)

    threading.Thread(target=serve, daemon=True).start()
    client = Http(listener.getsockname())
    yield lambda: client.post(CALL) and None
    listener.close()


def measure(calls: int, program: Path) -> dict[str, float]:
    """Returns the median of each in milliseconds."""
    with direct() as pipes, bridged(program) as http, bare() as loopback:
        subjects: dict[str, Once] = {"direct": pipes, "bridge": http, "loopback": loopback}
        times: dict[str, list[float]] = {name: [] for name in subjects}
        for turn in range(WARM_UP + calls):
            for name, once in subjects.items():
                began = time.perf_counter()
                once()
                if turn >= WARM_UP:
                    times[name].append(time.perf_counter() - began)
    return {name: statistics.median(taken) * 1000 for name, taken in times.items()}


def figures(medians: dict[str, float], size: int) -> list[Figure]:
    """Returns what the bridge adds, and how large it is."""
    added, mib = medians["bridge"] - medians["direct"], size / 2**20
    target = f"<= {TARGET_MS} ms"
    return [
        Figure("added by the bridge", "ms", added, medians["loopback"], "loopback alone", None, target,
               added <= TARGET_MS),
        Figure("the injected binary", "MiB", mib, None, "", None, f"<= {TARGET_MIB} MiB", mib <= TARGET_MIB),
    ]  # fmt: skip


def main() -> None:
    """Builds the program, measures and reports."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--calls", type=int, default=3000)
    calls = arguments.parse_args().calls
    subprocess.run(["sh", str(ROOT / "hack" / "bridge.sh"), "build"], check=True)
    program = BUILD / "bridge"
    report("bridge", figures(measure(calls, program), program.stat().st_size))


if __name__ == "__main__":
    main()
