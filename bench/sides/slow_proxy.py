"""A TCP proxy that adds time to each round trip: what the client sends waits, what the server sends does not.

It is a process of its own, so that its work is nobody's. Prints its port and serves until its input ends.

    python bench/sides/slow_proxy.py HOST PORT MILLISECONDS
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
import time

CHUNK = 256 * 1024


def quick(writer: asyncio.StreamWriter) -> None:
    """Sends small packets at once."""
    writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copies until the end."""
    with contextlib.suppress(OSError):
        while data := await reader.read(CHUNK):
            writer.write(data)
            await writer.drain()
    writer.close()


async def pass_on_late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay: float) -> None:
    """Copies until the end, each piece `delay` seconds after it came; none waits for another."""
    pieces: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def send() -> None:
        with contextlib.suppress(OSError):
            while True:
                due, data = await pieces.get()
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
                if not data:
                    break
                writer.write(data)
        writer.close()

    sending = asyncio.create_task(send())
    with contextlib.suppress(OSError):
        while data := await reader.read(CHUNK):
            pieces.put_nowait((time.perf_counter() + delay, data))
    pieces.put_nowait((time.perf_counter() + delay, b""))
    await sending


async def main(host: str, port: int, delay: float) -> None:
    """Serves."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(host, port)
        quick(writer)
        quick(back)
        await asyncio.gather(pass_on_late(reader, back, delay), pass_on(there, writer))

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]) / 1000))
