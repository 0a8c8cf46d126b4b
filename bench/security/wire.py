"""memory on a TCP port, with calls that do nothing. `python -m security.wire tls|plaintext`.

The environment says which: QD_TLS_DIRECTORY or QD_PLAINTEXT.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from hack.services.server import free_port
from quarterdeck.cli.logfile import log_to_stream
from quarterdeck.common.service import open_platform
from quarterdeck.common.settings import PlatformSettings
from quarterdeck.v1 import memory_pb2, memory_pb2_grpc
from security.children import until_told


class Idle(memory_pb2_grpc.MemoryServiceServicer):
    """Answers at once."""

    async def GetCollectionStats(self, request: Any, context: Any) -> memory_pb2.CollectionStats:
        """Returns nothing that takes time."""
        return memory_pb2.CollectionStats(collection=request.collection)


async def serve() -> None:
    """Serves until it is told to stop."""
    log_to_stream("warning", "json")
    port = free_port()
    platform = open_platform("memory", PlatformSettings(listen=f"127.0.0.1:{port}"))
    server = platform.rpc_server(memory_pb2.DESCRIPTOR.services_by_name["MemoryService"])
    memory_pb2_grpc.add_MemoryServiceServicer_to_server(Idle(), server.grpc)
    await server.start()
    print(f"ready {port}", flush=True)
    await until_told()
    await server.stop(1)
    await platform.close()


if __name__ == "__main__":
    assert sys.argv[1] in ("tls", "plaintext")
    asyncio.run(serve())
