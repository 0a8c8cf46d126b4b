"""What all models of the REST surface share."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

ItemT = TypeVar("ItemT")


class Request(BaseModel):
    """A request's body: camelCase, unknown fields are an error."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", populate_by_name=False)


class Answer(BaseModel):
    """A response's body."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid")


class Page(Answer, Generic[ItemT]):
    """A page of a list."""

    items: list[ItemT]
    continue_: str | None = Field(
        default=None, alias="continue", description="Send it as `continue` to get the next page."
    )


class Violation(Answer):
    """One field that is wrong."""

    field: str
    message: str


class Problem(Answer):
    """An error (RFC 9457): what happened, where, and what to do."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "type": "urn:quarterdeck:problem:not-found",
                "title": "Not found",
                "status": 404,
                "detail": "no Workflow 'month-end' in tenant 'default'",
                "instance": "/api/v1/tenants/default/workflows/month-end",
                "reason": "NotFound",
                "hint": "list them with GET /api/v1/tenants/default/workflows",
                "requestId": "0199d7c2-6d0e-7c41-9f0a-3f1c5e8f2b11",
            }
        }
    )

    type: str
    title: str
    status: int
    detail: str
    instance: str = ""
    reason: str = Field(description="Stable identifier for programs.")
    field: str = Field(default="", description="Path of the field it is about.")
    hint: str = Field(default="", description="What to do about it.")
    violations: list[Violation] = Field(default_factory=list)
    request_id: str = ""


def example(value: Any) -> ConfigDict:
    """Returns the configuration that shows `value` as a model's example."""
    return ConfigDict(json_schema_extra={"example": value})
