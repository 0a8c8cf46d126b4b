"""The registry's own settings: environment variables `QD_REGISTRY_…`."""

from __future__ import annotations

import os
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class RegistrySettings(BaseSettings):
    """How much history is kept, and how the reconciler works."""

    model_config = SettingsConfigDict(
        env_prefix="QD_REGISTRY_", env_file=os.environ.get("QD_ENV_FILE"), extra="ignore"
    )

    objects: Literal["database", "kubernetes"] = Field(
        default="database",
        description="Where the objects are: in the registry's database, or in the API server of the cluster "
        "that this process runs in (or that KUBECONFIG names).",
    )
    lease_namespace: str = Field(
        default="default",
        description="Namespace of this release: of its pods, and of the Lease by which replicas of the "
        "controller take turns. No tenant may have it.",
    )
    tenant_quota: dict[str, str] = Field(
        default={"pods": "100", "services.nodeports": "0", "services.loadbalancers": "0"},
        description="ResourceQuota of each tenant's namespace as JSON, beside what its Tenant asks for.",
    )
    tenant_defaults: dict[str, str] = Field(
        default={"cpu": "1", "memory": "512Mi"},
        description="Limits as JSON of a tenant's containers that name none.",
    )
    tenant_requests: dict[str, str] = Field(
        default={"cpu": "10m", "memory": "64Mi"},
        description="Requests as JSON of a tenant's containers that name none.",
    )
    history_changes: int = Field(
        default=10_000, ge=1, description="Changes that a watch can resume from, at most."
    )
    history_seconds: float = Field(
        default=3600.0, gt=0, description="Age in seconds of the oldest change that a watch can resume from."
    )
    trim_period: float = Field(default=60.0, gt=0, description="Seconds between clearings of the history.")
    revision_days: float = Field(
        default=90.0,
        ge=0,
        description="Days after which a revision that is no longer in force is removed; 0: never. Runs keep "
        "copies of what they pin.",
    )
    revision_keep: int = Field(
        default=10, ge=1, description="Newest revisions of an object that stay whatever their age."
    )
    collect_period: float = Field(
        default=3600.0, gt=0, description="Seconds between two looks for revisions to remove."
    )
    bookmark_period: float = Field(
        default=30.0, gt=0, description="Seconds without an event after which a watch gets a bookmark."
    )
    follow_period: float = Field(
        default=0.25,
        gt=0,
        description="Seconds between two looks for what other replicas have written, where the database is "
        "shared. Reads look by themselves.",
    )
    workers: int = Field(
        default=16, ge=1, description="Objects reconciled at a time; their writes share commits."
    )
