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
    archive_after: float = Field(
        default=30 * 86400.0,
        ge=0,
        description="Seconds after a run's end until its journal is archived, where its tenant says nothing; "
        "0: never.",
    )
    delete_after: float = Field(
        default=0.0,
        ge=0,
        description="Seconds after its end until an archived run is deleted, where its tenant says nothing; "
        "0: never.",
    )
    artifact_grace: float = Field(
        default=7 * 86400.0,
        ge=0,
        description="Seconds that an artifact is kept though nothing names it: more than the platform is "
        "ever down. 0: for ever.",
    )
    retention_period: float = Field(
        default=3600.0, gt=0, description="Seconds between two looks for what is to be archived or collected."
    )
