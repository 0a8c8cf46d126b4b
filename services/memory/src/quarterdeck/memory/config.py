"""Settings of the memory service alone: environment variables `QD_MEMORY_…`."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from quarterdeck.memory.constants import SWEEP_INTERVAL
from quarterdeck.memory.engine.rebuild import INDEX_BYTES


class MemorySettings(BaseSettings):
    """What only this service needs; the rest is in `PlatformSettings`."""

    model_config = SettingsConfigDict(env_prefix="QD_MEMORY_", extra="ignore")

    vectors_url: str = Field(
        default="",
        description="Where vectors are: file:// for a directory, http(s):// for a Qdrant server; "
        "empty: a directory in the data directory.",
    )
    vectors_key: SecretStr = Field(default=SecretStr(""), description="API key of the Qdrant server.")
    vectors_prefix: str = Field(
        default="quarterdeck",
        pattern=r"^[A-Za-z0-9-]+$",
        description="Begins the names of our collections on the Qdrant server.",
    )
    index_bytes: int = Field(
        default=INDEX_BYTES, ge=1, description="Bytes of vectors outside the graph index that start a build."
    )
    sweep_interval: float = Field(
        default=SWEEP_INTERVAL, gt=0, description="Seconds between two sweeps of what has expired."
    )

    def vectors_directory(self, data_dir: Path) -> Path:
        """Returns the embedded engine's directory. Raises ValueError for a URL without an adapter."""
        if not self.vectors_url:
            return data_dir / "memory"
        if self.vectors_url.startswith("file://"):
            return Path(self.vectors_url.removeprefix("file://"))
        raise ValueError(f"no adapter for the vector engine's URL {self.vectors_url.split(':', 1)[0]}://…")
