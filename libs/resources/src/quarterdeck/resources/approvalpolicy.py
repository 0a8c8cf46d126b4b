"""Kind `ApprovalPolicy`: who decides, how many, until when, then what, and who is told."""

from typing import Literal

from pydantic import Field

from quarterdeck.resources.metadata import Resource, Status
from quarterdeck.resources.model import Model
from quarterdeck.resources.rules import exactly_one
from quarterdeck.resources.scalars import Duration, Name, NonEmpty, Text, Url
from quarterdeck.resources.subjects import Subject


class Notification(Model):
    """Where a request for approval is announced."""

    RULES = (exactly_one("webhook", "email"),)

    webhook: Url | None = Field(None, description="A URL that gets a signed CloudEvent.")
    email: NonEmpty | None = Field(None, description="An address.")


class ApprovalPolicySpec(Model):
    """How a decision by people is reached."""

    description: Text = Field("", description="What it is for.")
    approvers: list[Subject] = Field(min_length=1, max_length=64, description="Who may decide.")
    quorum: int = Field(1, ge=1, le=64, description="How many must approve.")
    expires_after: Duration = Field("7d", description="How long a request stays open.")
    on_expiry: Literal["reject", "escalate", "proceed"] = Field("reject", description="What happens then.")
    escalate_to: Name | None = Field(None, description="The ApprovalPolicy that takes over on escalation.")
    notify: list[Notification] = Field(default=[], max_length=16, description="Who is told.")
    require_comment: bool = Field(False, description="Whether a decision needs a comment.")


class ApprovalPolicy(Resource):
    """Who approves, how many, until when, then what."""

    kind: Literal["ApprovalPolicy"] = Field("ApprovalPolicy", description="ApprovalPolicy.")
    spec: ApprovalPolicySpec = Field(description="How a decision is reached.")
    status: Status | None = Field(None, description="What the platform found.")
