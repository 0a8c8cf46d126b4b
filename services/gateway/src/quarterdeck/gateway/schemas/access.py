"""Who one is, and what one may do."""

from __future__ import annotations

from pydantic import Field

from quarterdeck.gateway.schemas.base import Answer, Request, example


class WhoAmI(Answer):
    """The principal behind the token."""

    principal: str
    groups: list[str]
    administrator: bool = Field(description="Whether it may do everything, whatever roles say.")
    tenant: str | None = Field(description="The only tenant where it may do anything; null: any.")
    scopes: list[str] = Field(description="What its key is narrowed to; empty: not narrowed.")


class CheckAccess(Request):
    """A question: may somebody do this?"""

    model_config = example({"verb": "create", "resource": "runs", "tenant": "default", "name": "month-end"})

    verb: str = Field(min_length=1, max_length=32, pattern=r"^[a-z]+$")
    resource: str = Field(min_length=1, max_length=128, pattern=r"^[a-z]+(/[a-z]+)?$")
    tenant: str = Field(default="", max_length=253, description="Empty: of the platform.")
    name: str = Field(default="", max_length=512, description="Empty: none in particular.")
    principal: str = Field(
        default="", max_length=512, description="Empty: whoever asks. To ask about others takes a right."
    )
    groups: list[str] = Field(default_factory=list, max_length=256, description="Groups of that principal.")


class AccessAnswer(Answer):
    """Whether it is allowed, and by what."""

    allowed: bool
    principal: str
    verb: str
    resource: str
    tenant: str
    name: str
    reason: str
    role: str | None = Field(description="The role that allows it.")
    source: str | None = Field(description="What binds the role to the principal.")
    rule: str | None = Field(description="The rule of the role, as verbs:kinds:names.")
    roles_that_allow: list[str] = Field(description="Built-in roles that would allow it.")


class Suspend(Request):
    """Who is to be let in no more."""

    model_config = example({"principal": "corp:anna", "reason": "left the company"})

    principal: str = Field(min_length=1, max_length=512, description="Its full name.")
    reason: str = Field(default="", max_length=1024)


class Suspension(Answer):
    """Who is let in no more."""

    principal: str
    reason: str
    by: str = Field(description="Who suspended it.")
    since: str


class Suspensions(Answer):
    """Everybody who is let in no more."""

    items: list[Suspension]


class IdentityProvider(Answer):
    """An identity provider where people sign in."""

    name: str
    issuer: str = Field(description="Its discovery document is below this address.")
    client_id: str = Field(description="What programs call themselves there.")
    scopes: list[str] = Field(description="What is asked for at a sign-in.")


class Providers(Answer):
    """The identity providers whose people are let in."""

    items: list[IdentityProvider]
