"""API keys."""

from __future__ import annotations

from pydantic import Field

from quarterdeck.gateway.schemas.base import Answer, Page, Request, example

_LIFE = 'How long it lasts, as "90d"; at most 366 days.'
_NAME = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"


class CreateKey(Request):
    """A key that is asked for."""

    model_config = example(
        {"name": "nightly", "principal": "account:nightly", "scopes": ["create:runs:month-end"]}
    )

    name: str = Field(min_length=1, max_length=63, pattern=_NAME)
    principal: str = Field(
        default="", max_length=256, description='Empty: whoever asks. An account is "account:<name>".'
    )
    scopes: list[str] = Field(
        default_factory=list,
        max_length=32,
        description='What it is narrowed to: built-in roles, or "verbs:kinds[:names]". Empty: not narrowed.',
    )
    expires_in: str = Field(default="", max_length=32, description=f"{_LIFE} Empty: 90d.")


class RotateKey(Request):
    """How a key is followed by another."""

    overlap: str = Field(default="", max_length=32, description='How long both let in. Empty: "1d".')
    expires_in: str = Field(default="", max_length=32, description=f"{_LIFE} Empty: 90d.")


class ApiKey(Answer):
    """What is kept of a key. Several of one name: the newest, and those that it replaced."""

    id: str = Field(description='What it begins with, behind "qdk_".')
    name: str
    tenant: str
    principal: str
    scopes: list[str]
    state: str = Field(description="live, expired or revoked.")
    created_at: str
    created_by: str
    expires_at: str
    revoked_at: str | None
    last_used_at: str | None = Field(description="To within half a minute.")


class NewKey(ApiKey):
    """A key that was just made."""

    key: str = Field(description="It is shown this once.")


class KeyPage(Page[ApiKey]):
    """All keys of a tenant."""
