"""The OpenAPI document: what the routes declare, with errors and authentication said once for all."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from quarterdeck.gateway.constants import (
    IDEMPOTENCY_HEADER,
    LOOPBACK_PATHS,
    OPEN_PATHS,
    OPEN_PREFIXES,
    PROBLEM_JSON,
)
from quarterdeck.gateway.schemas.base import Problem

TITLE = "Quarterdeck"
DESCRIPTION = """Runs AI agents and workflows as durable runs.

Send `Authorization: Bearer <token>`. Every error is `application/problem+json`. Every `POST`
takes `Idempotency-Key`. Lists page by `limit` and `continue`. Streams are server-sent events
and resume by `Last-Event-ID`.
"""
TAGS = [
    {"name": "runs", "description": "Durable executions: start, look, steer, follow."},
    {"name": "approvals", "description": "What waits for a person."},
    {"name": "resources", "description": "Declared objects of every kind."},
    {"name": "tools", "description": "Tools of the tenant's servers."},
    {"name": "memory", "description": "Collections: search, save, delete."},
    {"name": "artifacts", "description": "Payloads too large to be inline."},
    {"name": "models", "description": "Models behind routes."},
    {"name": "triggers", "description": "What starts runs."},
    {"name": "bus", "description": "Messages that a queue gave up."},
    {"name": "access", "description": "Who one is, what one may do, and why."},
    {"name": "ag-ui", "description": "Runs as AG-UI events."},
    {"name": "health", "description": "Health and metrics."},
]
_SCHEMA_REF = "#/components/schemas/{model}"


def document(app: FastAPI) -> dict[str, Any]:
    """Returns the document; made at the first call, then remembered on the application."""
    if app.openapi_schema is None:
        found = get_openapi(
            title=TITLE,
            version=version("quarterdeck-gateway"),
            description=DESCRIPTION,
            routes=app.routes,
            tags=TAGS,
        )
        app.openapi_schema = _completed(found)
    return app.openapi_schema


def _completed(found: dict[str, Any]) -> dict[str, Any]:
    components = found.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    schemas.update(_problem_schemas())
    components["schemas"] = dict(sorted(schemas.items()))
    components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    components["responses"] = {
        "Problem": {
            "description": "An error: what happened, where, and what to do.",
            "content": {PROBLEM_JSON: {"schema": {"$ref": _SCHEMA_REF.format(model="Problem")}}},
        }
    }
    components["parameters"] = {"IdempotencyKey": _idempotency_parameter()}
    for path, operations in found["paths"].items():
        for method, operation in operations.items():
            _complete_operation(path, method, operation)
    return found


def _problem_schemas() -> dict[str, Any]:
    schema = Problem.model_json_schema(ref_template=_SCHEMA_REF)
    return {**schema.pop("$defs", {}), "Problem": schema}


def _idempotency_parameter() -> dict[str, Any]:
    return {
        "name": IDEMPOTENCY_HEADER,
        "in": "header",
        "required": False,
        "description": "A repeat with the same key gets the first response; it is kept for 24 hours.",
        "schema": {"type": "string", "maxLength": 255},
    }


def _complete_operation(path: str, method: str, operation: dict[str, Any]) -> None:
    operation["responses"].pop("422", None)
    operation["responses"]["default"] = {"$ref": "#/components/responses/Problem"}
    open_path = path in OPEN_PATHS | LOOPBACK_PATHS or path.startswith(OPEN_PREFIXES)
    operation["security"] = [] if open_path else [{"token": []}]
    if method == "post":
        operation.setdefault("parameters", []).append({"$ref": "#/components/parameters/IdempotencyKey"})
