"""Kind `Tenant`: a customer of the platform; cluster-scoped."""

from typing import Literal

from pydantic import Field

from quarterdeck.resources.images import ImageRules
from quarterdeck.resources.metadata import Resource, Status
from quarterdeck.resources.model import Model
from quarterdeck.resources.rules import Rule, at_least_one
from quarterdeck.resources.scalars import Duration, Label, Name, Tokens, Usd
from quarterdeck.resources.subjects import Subject


class Quota(Model):
    """How much of the platform a tenant may use at a time."""

    running_runs: int | None = Field(
        None,
        ge=1,
        le=10_000_000,
        description="Runs that are worked on at once; more wait in the queue. One that waits does not count.",
    )
    objects: int | None = Field(None, ge=1, le=1_000_000, description="Objects of all kinds.")
    tool_servers: int | None = Field(None, ge=0, le=100_000, description="MCPServers.")
    memory_points: int | None = Field(None, ge=0, le=10_000_000_000, description="Points in all collections.")
    artifact_bytes: int | None = Field(
        None, ge=0, le=1_000_000_000_000_000, description="Bytes of artifacts."
    )


class TenantBudget(Model):
    """What a tenant may use in a calendar month."""

    RULES = (at_least_one("cost_usd_per_month", "tokens_per_month"),)

    cost_usd_per_month: Usd | None = Field(None, description="Money, in US dollars.")
    tokens_per_month: Tokens | None = Field(None, description="Model tokens.")


class RunRetention(Model):
    """How long runs are kept after their end."""

    archive_after: Duration | None = Field(
        None, description="Then a journal is archived; it can still be read. Absent: as the platform is set."
    )
    delete_after: Duration | None = Field(
        None, description="Then an archived run is deleted. Absent: as the platform is set."
    )


def is_of_the_cluster(namespace: str) -> bool:
    """True for namespaces that a cluster keeps for itself; no tenant lives there."""
    return namespace == "default" or namespace.startswith("kube-")


NAMESPACE_IS_FREE = Rule(
    "the namespaces default and kube-* belong to the cluster",
    "!has(self.__namespace__) || !self.__namespace__.matches('^(default$|kube-)')",
    lambda spec: not is_of_the_cluster(spec.namespace or ""),
    "namespace",
    "name another one, or leave it out and one is made",
)


class TenantSpec(Model):
    """A customer: where it lives and what it may use."""

    RULES = (NAMESPACE_IS_FREE,)

    display_name: Label = Field("", description="Its name for people.")
    namespace: Name | None = Field(None, description="A namespace labelled for it; absent: one is made.")
    data_plane: Name = Field("default", description="The release that holds its runs and memories.")
    region: Name | None = Field(None, description="Where its data stays.")
    priority: int = Field(
        0, ge=-100, le=100, description="Higher ones have their turns first in each round; they get no more."
    )
    weight: int = Field(
        1, ge=1, le=100, description="Turns in each round, while others have runs waiting too."
    )
    quota: Quota = Field(Quota(), description="How much it may use at a time.")
    budget: TenantBudget | None = Field(None, description="What it may use in a month.")
    retention: RunRetention | None = Field(None, description="How long its runs are kept.")
    admins: list[Subject] = Field(default=[], max_length=64, description="Its first administrators.")
    images: ImageRules = Field(
        ImageRules(), description="Which images its tool servers may be made from (cluster)."
    )
    suspended: bool = Field(False, description="Whether its runs are held and its requests refused.")
    deletion_policy: Literal["Retain", "Delete"] = Field(
        "Retain", description="What happens to its namespace and data when it is deleted."
    )


class TenantStatus(Status):
    """What the platform found about a tenant."""

    id: Label | None = Field(None, description="Its UUID, never reused.")
    namespace: Label | None = Field(None, description="The one namespace it owns.")


class Tenant(Resource):
    """A customer: namespace, data plane, quota, budget, first administrators."""

    kind: Literal["Tenant"] = Field("Tenant", description="Tenant.")
    spec: TenantSpec = Field(TenantSpec(), description="What the tenant is.")
    status: TenantStatus | None = Field(None, description="What the platform found.")
