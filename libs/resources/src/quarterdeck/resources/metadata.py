"""What every object carries: type, metadata, status with conditions."""

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from quarterdeck.resources.model import Model
from quarterdeck.resources.rules import Unique
from quarterdeck.resources.scalars import Label, Name

LABEL_KEY_PATTERN = "^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$"
LABEL_VALUE_PATTERN = "^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$"
TIMESTAMP_PATTERN = "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}([.][0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})$"

LabelKey = Annotated[str, StringConstraints(min_length=1, max_length=317, pattern=LABEL_KEY_PATTERN)]
LabelValue = Annotated[str, StringConstraints(max_length=63, pattern=LABEL_VALUE_PATTERN)]
Labels = Annotated[dict[LabelKey, LabelValue], Field(max_length=64)]
Annotations = Annotated[
    dict[LabelKey, Annotated[str, StringConstraints(max_length=262_144)]], Field(max_length=64)
]
Timestamp = Annotated[str, StringConstraints(max_length=35, pattern=TIMESTAMP_PATTERN)]
"""RFC 3339, UTC when the platform writes it."""


class ObjectMeta(Model):
    """Identity and bookkeeping; a manifest gives name, labels and annotations, the platform the rest."""

    name: Name = Field(description="Name, unique for its kind in the tenant.")
    namespace: Label | None = Field(None, description="Namespace of the tenant; the platform knows it.")
    labels: Labels | None = Field(None, description="Labels to select by.")
    annotations: Annotations | None = Field(None, description="Notes that nothing selects by.")
    uid: Label | None = Field(None, description="Identity, never reused.")
    generation: int | None = Field(None, description="Grows with every change of the spec.")
    resource_version: Label | None = Field(None, description="Changes with every write.")
    creation_timestamp: Timestamp | None = Field(None, description="When it was created.")
    deletion_timestamp: Timestamp | None = Field(None, description="When its deletion was asked for.")
    deletion_grace_period_seconds: int | None = Field(None, description="Kept as the API server sets it.")
    finalizers: list[Label] | None = Field(None, max_length=64, description="What must be cleaned up first.")
    owner_references: list[Any] | None = Field(None, max_length=64, description="Objects that own this one.")
    managed_fields: list[Any] | None = Field(None, description="Kept as the API server sets it.")
    generate_name: Label | None = Field(None, description="Kept as the API server sets it.")
    self_link: Label | None = Field(None, description="Kept as the API server sets it.")


class Condition(Model):
    """One statement about an object: `Accepted`, `ResolvedRefs` or `Ready`, and why."""

    type: Annotated[str, StringConstraints(min_length=1, max_length=316)] = Field(
        description="What is stated: Accepted, ResolvedRefs, Ready."
    )
    status: Literal["True", "False", "Unknown"] = Field(description="Whether it holds.")
    reason: Annotated[str, StringConstraints(min_length=1, max_length=1_024)] = Field(
        description="One word for programs, such as NotEnforced."
    )
    message: Annotated[str, StringConstraints(max_length=32_768)] = Field(
        "", description="One sentence for people."
    )
    last_transition_time: Timestamp = Field(description="When the status last changed.")
    observed_generation: int | None = Field(None, description="The generation this is about.")


class Status(Model):
    """What the platform found; written by controllers only."""

    observed_generation: int | None = Field(None, description="The generation the controller has seen.")
    conditions: Annotated[list[Condition], Field(max_length=16), Unique("type")] = Field(
        default=[], description="Accepted, ResolvedRefs and Ready."
    )
    revision: Label | None = Field(None, description="The revision of the last accepted spec.")


class Resource(Model):
    """An object: what it is, how it is called, what is wanted, what is."""

    api_version: Literal["quarterdeck.dev/v1alpha1"] = Field(
        "quarterdeck.dev/v1alpha1", description="Group and version."
    )
    kind: str = Field(description="The kind.")
    metadata: ObjectMeta = Field(description="Name, labels and bookkeeping.")
    spec: Any = Field(description="What is wanted.")
    status: Status | None = Field(None, description="What the platform found.")
