"""Requests over kept connections, with next to no client in between."""

from __future__ import annotations

import asyncio
import statistics
import time


async def _client(port: int, request: bytes, times: int) -> list[float]:
    """Makes requests over one kept connection; returns the seconds of each."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    taken = []
    try:
        for _ in range(times):
            began = time.perf_counter()
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 20"):
                raise RuntimeError(head.decode())
            length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            await reader.readexactly(length)
            taken.append(time.perf_counter() - began)
    finally:
        writer.close()
    return taken


async def load(port: int, request: bytes, times: int, concurrency: int) -> tuple[float, float]:
    """Makes so many requests in all; returns (requests a second, median seconds of one)."""
    began = time.perf_counter()
    share = max(1, times // concurrency)
    taken = await asyncio.gather(*(_client(port, request, share) for _ in range(concurrency)))
    rate = share * concurrency / (time.perf_counter() - began)
    return rate, statistics.median(seconds for one in taken for seconds in one)


def get(path: str, token: str) -> bytes:
    """Returns a GET."""
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n".encode()


def post(path: str, token: str, body: str) -> bytes:
    """Returns a POST of JSON."""
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"
    return f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()
