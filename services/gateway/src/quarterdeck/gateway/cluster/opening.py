"""Wires the door to the cluster."""

from __future__ import annotations

from prometheus_client import Counter

from quarterdeck.common.errors import FailedPrecondition
from quarterdeck.common.service import Platform
from quarterdeck.common.tenants import TenantDirectory
from quarterdeck.controller.api.client import Client
from quarterdeck.controller.api.connection import Connection, connect
from quarterdeck.controller.api.transport import Transport
from quarterdeck.gateway.cluster.access import ClusterAuthorizer
from quarterdeck.gateway.cluster.tokens import TokenReviews


async def open_cluster(platform: Platform, audience: str) -> TokenReviews:
    """Lets the API server say who may do what from now on; returns who says whose tokens are.

    Raises:
        FailedPrecondition: there is no cluster to be found.
    """
    client = Client(Transport(await _connection(), user_agent="quarterdeck-gateway"))
    platform.closing.append(client.close)
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
    return TokenReviews(client, audience, standing)


async def _connection() -> Connection:
    from kubernetes.config import ConfigException

    try:
        return await connect()
    except ConfigException as error:
        raise FailedPrecondition(
            f"there is no cluster: {error}",
            hint="run it in a pod with a service account, set KUBECONFIG, or QD_ACCESS=local",
        ) from None
