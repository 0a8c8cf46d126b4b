"""Routers for the tenants' ModelRoutes, made when a route is first used and again when it changes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from quarterdeck.common import codec
from quarterdeck.common.errors import NotFound
from quarterdeck.common.outbound.policy import Outbound
from quarterdeck.common.watching import ObjectWatcher

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

    from quarterdeck.llm.providers import ProviderSource
    from quarterdeck.llm.router import Router


class Routes:
    """Finds the live router behind a tenant's route name."""

    def __init__(
        self,
        watcher: ObjectWatcher,
        env: Mapping[str, str],
        tracer: Tracer,
        outbound: Outbound | None = None,
    ) -> None:
        self._watcher = watcher
        self._env = env
        self._tracer = tracer
        self._outbound = outbound
        self._providers: ProviderSource | None = None
        self._made: dict[tuple[str, str], tuple[str, Router]] = {}

    def find(self, tenant: str, name: str) -> Router:
        """Returns the router. Raises NotFound while the tenant has no such route."""
        watched = self._watcher.get(tenant, "ModelRoute", name)
        if watched is None:
            raise NotFound(f"ModelRoute {name} does not exist", hint="apply one; the run goes on by itself")
        digest = codec.digest(watched.spec)
        known = self._made.get((tenant, name))
        if known is None or known[0] != digest:
            known = (digest, self._make(name, watched.spec))
            self._made[tenant, name] = known
        return known[1]

    def _make(self, name: str, spec: dict[str, Any]) -> Router:
        from quarterdeck.llm.providers import default_providers
        from quarterdeck.llm.route import RouteSpec
        from quarterdeck.llm.router import Router

        if self._providers is None:
            self._providers = default_providers(self._env, self._outbound)
        return Router(RouteSpec.from_json(name, spec), self._providers, tracer=self._tracer)

    async def close(self) -> None:
        """Closes the providers' connections."""
        closing = getattr(self._providers, "aclose", None)
        if closing is not None:
            await closing()
