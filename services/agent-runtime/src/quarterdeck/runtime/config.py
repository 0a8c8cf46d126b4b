"""The runtime's own settings: environment variables `QD_RUNTIME_…`."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class RuntimeSettings(BaseSettings):
    """How this worker works."""

    model_config = SettingsConfigDict(env_prefix="QD_RUNTIME_", extra="ignore")

    concurrency: int = Field(
        default=64, ge=1, description="Runs that are advanced at once; parked ones are free."
    )
    approval_expires: float = Field(
        default=7 * 86400.0, description="Seconds an approval stays open when its policy says nothing."
    )
