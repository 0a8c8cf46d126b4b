"""Chooses the vector engine by the URL in the settings."""

from __future__ import annotations

import asyncio
import importlib
from pathlib import Path

from quarterdeck.memory.config import MemorySettings
from quarterdeck.memory.constants import SERVER_TIMEOUT
from quarterdeck.memory.engine.client import EdgeEngine
from quarterdeck.memory.engine.interface import VectorEngine

SERVER_SCHEMES = ("http://", "https://")


async def open_engine(settings: MemorySettings, data_dir: Path) -> VectorEngine:
    """Opens the engine: a Qdrant server for http(s)://, else the embedded one in a directory.

    Raises:
        Unavailable: the directory is in use.
        ValueError: there is no adapter for the URL.
    """
    if settings.vectors_url.startswith(SERVER_SCHEMES):
        return await _server(settings)
    engine = EdgeEngine(settings.vectors_directory(data_dir), settings.index_bytes)
    await engine.open()
    return engine


async def _server(settings: MemorySettings) -> VectorEngine:
    # The client takes a second or more to import; the event loop goes on meanwhile.
    module = await asyncio.to_thread(importlib.import_module, "quarterdeck.memory.engine.server.client")
    engine: VectorEngine = await module.connect(
        settings.vectors_url,
        settings.vectors_key.get_secret_value(),
        settings.vectors_prefix,
        SERVER_TIMEOUT,
    )
    return engine
