"""Kinds `AccessRole` and `AccessBinding`: who may do what in a tenant."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from quarterdeck.resources.metadata import Resource, Status
from quarterdeck.resources.model import Model
from quarterdeck.resources.rules import Unique
from quarterdeck.resources.scalars import Name, Text
from quarterdeck.resources.subjects import Subject

Verb = Literal["get", "list", "watch", "create", "update", "delete", "call", "decide", "search", "save", "*"]
KindPattern = Annotated[
    str, StringConstraints(min_length=1, max_length=128, pattern="^([a-z]+|[*])(/([a-z]+|[*]))?$")
]
NamePattern = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern="^[-A-Za-z0-9_./*]+$")]


class AccessRule(Model):
    """Verbs on kinds, perhaps on some names only."""

    verbs: Annotated[list[Verb], Field(min_length=1, max_length=16), Unique()] = Field(
        description="What may be done; `*` for everything."
    )
    kinds: Annotated[list[KindPattern], Field(min_length=1, max_length=64), Unique()] = Field(
        description="Plural kinds (`agents`) and what is like one (`runs`, `approvals/decide`, `tools/call`)."
    )
    names: Annotated[list[NamePattern], Field(max_length=256), Unique()] = Field(
        default=[], description="Names it is limited to, with `*` for any part; empty: all."
    )


class AccessRoleSpec(Model):
    """What holders of the role may do."""

    description: Text = Field("", description="What it is for.")
    rules: list[AccessRule] = Field(min_length=1, max_length=64, description="Each allows something.")


class AccessRole(Resource):
    """A role: verbs on kinds and names."""

    kind: Literal["AccessRole"] = Field("AccessRole", description="AccessRole.")
    spec: AccessRoleSpec = Field(description="What it allows.")
    status: Status | None = Field(None, description="What the platform found.")


class AccessBindingSpec(Model):
    """Who holds which role."""

    role: Name = Field(
        description="An AccessRole, or a built-in role: viewer, developer, operator, approver, admin."
    )
    subjects: list[Subject] = Field(min_length=1, max_length=256, description="Who holds it.")


class AccessBinding(Resource):
    """Gives a role to people and groups in this tenant."""

    kind: Literal["AccessBinding"] = Field("AccessBinding", description="AccessBinding.")
    spec: AccessBindingSpec = Field(description="Who holds which role.")
    status: Status | None = Field(None, description="What the platform found.")
