"""Declared resources."""

from __future__ import annotations

from typing import Any

from pydantic import ConfigDict, Field

from quarterdeck.gateway.schemas.base import Answer, Page

_MANIFEST: Any = {
    "apiVersion": "quarterdeck.dev/v1alpha1",
    "kind": "Trigger",
    "metadata": {"name": "every-morning", "labels": {"team": "books"}},
    "spec": {
        "target": {"kind": "Workflow", "name": "match-invoices"},
        "cron": {"schedule": "0 9 * * *", "timeZone": "Europe/Berlin"},
    },
}


class Manifest(Answer):
    """An object as in a manifest. What `spec` holds depends on the kind; see `qd explain KIND`."""

    model_config = ConfigDict(json_schema_extra={"example": _MANIFEST})

    api_version: str
    kind: str
    metadata: dict[str, Any]
    spec: dict[str, Any]
    status: dict[str, Any] | None = None


class ManifestPage(Page[Manifest]):
    """A page of objects."""

    resource_version: str = Field(description="The version to start a watch from.")


class Revision(Answer):
    """An accepted spec; it never changes."""

    revision: str
    kind: str
    name: str
    spec: dict[str, Any] | None
    created_at: str
