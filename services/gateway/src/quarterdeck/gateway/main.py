"""Wires the gateway and serves it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import cast

from quarterdeck.common.rpc_server import RpcServer
from quarterdeck.common.service import Platform
from quarterdeck.gateway.access.authorizer import RoleAuthorizer
from quarterdeck.gateway.access.giving import check_gift
from quarterdeck.gateway.access.roster import Roster
from quarterdeck.gateway.access.servicer import AccessServicer, Deciding, SpaceOf, own_space
from quarterdeck.gateway.access.settling import settle
from quarterdeck.gateway.access.suspending import Suspended
from quarterdeck.gateway.app import Parts, make_app
from quarterdeck.gateway.authentication import LOCAL_ADMIN, Authenticator, Reviewer, admin_token
from quarterdeck.gateway.config import GatewaySettings
from quarterdeck.gateway.edges.opening import open_rates
from quarterdeck.gateway.grpc_server import GrpcServer, PublicRpcs
from quarterdeck.gateway.http_server import HttpServer, bind
from quarterdeck.gateway.keys.opening import open_keyring, open_pepper
from quarterdeck.gateway.sessions.sessions import Sessions
from quarterdeck.gateway.tables import METADATA
from quarterdeck.gateway.triggers.routes import MIGRATIONS, DeclaredRoutes
from quarterdeck.gateway.upstream import Upstream
from quarterdeck.v1 import authorization_pb2, authorization_pb2_grpc

NAME = "gateway"


class Gateway:
    """The only door: REST and gRPC on ports of their own."""

    name = NAME

    def __init__(self, parts: Parts, http: HttpServer, grpc_server: GrpcServer, inside: RpcServer) -> None:
        self._parts = parts
        self._http = http
        self._grpc = grpc_server
        self._inside = inside

    @property
    def http_port(self) -> int:
        """The port of REST."""
        return self._http.port

    @property
    def grpc_port(self) -> int:
        """The port of gRPC; known after the start."""
        return self._grpc.port

    async def start(self) -> None:
        """Opens the ports; the routes of triggers follow as the registry tells them."""
        await self._inside.start()
        await self._grpc.start()
        await self._parts.declared.start()
        if self._parts.roster is not None:
            await self._parts.roster.start()
        self._parts.platform.spawn(self._parts.suspended.follow(), "follow-suspensions")
        self._parts.platform.spawn(self._parts.keyring.keep_flushing(), "flush-key-uses")
        await self._http.start()

    async def stop(self, grace: float) -> None:
        """Ends streams at once (their clients come back), lets other requests end."""
        self._parts.closing.set()
        await asyncio.gather(self._http.stop(grace), self._grpc.stop(grace), self._inside.stop(grace))


async def build(
    platform: Platform, others: Sequence[Platform] = (), settings: GatewaySettings | None = None
) -> Gateway:
    """Wires the gateway.

    Args:
        platform: its own parts.
        others: the services that share its process; /health and /metrics show them too.
        settings: from the environment by default.

    Raises:
        NoCluster: a cluster is to say who may do what, and there is none.
        Unavailable: the port of REST is in use, or the token file or the database cannot be used.
    """
    settings = settings or GatewaySettings()
    reviewers: list[Reviewer] = []
    space_of: SpaceOf = own_space
    if platform.settings.access == "kubernetes":
        # Imported where there is a cluster: a laptop's cold start does without.
        from quarterdeck.gateway.cluster.opening import open_cluster

        reviews, space_of = await open_cluster(platform, settings.token_audience)
        reviewers.append(reviews)
    tokens = {admin_token(platform.settings.data_dir.absolute()): LOCAL_ADMIN}
    database = await platform.open_database(METADATA, MIGRATIONS)
    pepper = open_pepper(platform, settings)
    keyring = open_keyring(platform, database, pepper)
    sessions = Sessions(database, pepper, settings.session_seconds, platform.clock.now)
    signing_in = None
    if settings.identity_providers:
        from quarterdeck.gateway.oidc.opening import open_oidc
        from quarterdeck.gateway.sessions.opening import open_signing_in

        oidc = open_oidc(platform, settings.identity_providers)
        reviewers.insert(0, oidc)
        signing_in = open_signing_in(platform, settings, oidc, pepper)
    suspended = Suspended(database, platform.clock.now)
    authenticator = Authenticator(tokens, [keyring, sessions, *reviewers], suspended.has)
    roster = None
    if platform.settings.access == "local":
        roster = Roster(platform, database, settings)
        platform.authorizer = RoleAuthorizer(roster)
    known = partial(settle, roster) if roster else None
    gift = partial(check_gift, roster) if roster else None
    rates = open_rates(platform, settings)
    upstream = Upstream(platform, settings.reauthorize, known, gift, rates.limits.allowed)
    await suspended.load()
    parts = Parts(
        platform=platform,
        others=others,
        settings=settings,
        authenticator=authenticator,
        rates=rates,
        upstream=upstream,
        declared=DeclaredRoutes(platform),
        roster=roster,
        keyring=keyring,
        sessions=sessions,
        signing_in=signing_in,
        suspended=suspended,
        closing=asyncio.Event(),
    )
    rpcs = PublicRpcs(platform, authenticator, upstream, rates)
    http = HttpServer(make_app(parts), bind(settings.host, settings.http_port, "QD_GATEWAY_HTTP_PORT"))
    inside = platform.rpc_server(authorization_pb2.DESCRIPTOR.services_by_name["AccessService"])
    servicer = AccessServicer(lambda: cast(Deciding, platform.authorizer), space_of, suspended)
    authorization_pb2_grpc.add_AccessServiceServicer_to_server(servicer, inside.grpc)
    return Gateway(parts, http, GrpcServer(rpcs, settings), inside)
