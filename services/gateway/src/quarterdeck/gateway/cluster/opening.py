"""Wires the door to the cluster."""

from __future__ import annotations

from prometheus_client import Counter

from quarterdeck.common.service import Platform
from quarterdeck.common.tenants import TenantDirectory
from quarterdeck.controller.opening import open_client
from quarterdeck.gateway.cluster.access import ClusterAuthorizer, NamespaceOf
from quarterdeck.gateway.cluster.tokens import TokenReviews


async def open_cluster(platform: Platform, audience: str) -> tuple[TokenReviews, NamespaceOf]:
    """Lets the API server say who may do what from now on.

    Returns who says whose tokens are, and what finds the namespace of a tenant.

    Raises:
        NoCluster: there is no cluster to be found.
    """
    client = await open_client("quarterdeck-gateway", platform.closing)
    standing = Counter(
        "cluster_answers_standing_total",
        "Answers of the API server that counted on after their time, since it could not be asked.",
        ["about"],
        registry=platform.telemetry.registry,
    )
    tenants = TenantDirectory(platform.peer("registry"))

    async def namespace_of(tenant: str) -> str:
        return (await tenants.resolve(tenant)).namespace

    platform.authorizer = ClusterAuthorizer(client, namespace_of, standing)
    return TokenReviews(client, audience, standing), namespace_of
