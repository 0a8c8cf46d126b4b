"""mcp-manager's own settings: environment variables `QD_MCP_…`."""

from __future__ import annotations

import os

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from quarterdeck.mcp.constants import KEEP_OUTCOMES


class McpSettings(BaseSettings):
    """How long things are kept and waited for, in seconds."""

    model_config = SettingsConfigDict(
        env_prefix="QD_MCP_", env_file=os.environ.get("QD_ENV_FILE"), extra="ignore"
    )

    keep_outcomes: float = Field(
        default=KEEP_OUTCOMES, gt=0, description="How long an outcome can be asked for again."
    )
    pods: bool = Field(
        default=False,
        description="Tool servers with a container run as pods of the cluster that this process runs in.",
    )
    sleep_period: float = Field(
        default=5.0, gt=0, description="Seconds between two looks for pods that nobody uses."
    )
    sync_timeout: float = Field(
        default=10.0, ge=0, description="How long a call waits for policies to be known after a start."
    )
