"""Dead letters of the bus."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from quarterdeck.gateway.schemas.base import Answer, Page, Request, example


class DeadLetter(Answer):
    """A message that a queue gave up."""

    id: str
    queue: str
    topic: str
    reason: str = Field(description="delivery_limit: its handler failed again and again; rejected: foreign.")
    died_at: str | None
    tenant_id: str | None
    ours: bool = Field(description="Whether it is a message of the platform, so that it can be replayed.")
    data: Any = Field(description="What it says; null when it is not a message of the platform.")
    raw: str | None = Field(description="The beginning of its body, when it is not.")


class DeadLetterPage(Page[DeadLetter]):
    """The oldest dead letters."""


class ReplayDeadLetters(Request):
    """Which ones go back to their queues."""

    model_config = example({"ids": ["0199d7c2-6d0e-7c41-9f0a-3f1c5e8f2b11"]})

    ids: list[str] = Field(min_length=1, max_length=500)


class Replayed(Answer):
    """What is in its queue again; the others were not found."""

    replayed: list[str]
