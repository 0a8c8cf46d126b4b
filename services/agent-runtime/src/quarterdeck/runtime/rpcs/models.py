"""ModelService: one model turn outside a run, and which models would answer now."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from quarterdeck.common import codec
from quarterdeck.common.errors import InvalidArgument, Unavailable
from quarterdeck.common.tenants import TenantDirectory
from quarterdeck.common.watching import ObjectWatcher
from quarterdeck.runtime.effects.routes import Routes
from quarterdeck.v1 import models_pb2, models_pb2_grpc


class ModelServicer(models_pb2_grpc.ModelServiceServicer):
    """Serves models."""

    def __init__(self, routes: Routes, watcher: ObjectWatcher, tenants: TenantDirectory) -> None:
        self._routes = routes
        self._watcher = watcher
        self._tenants = tenants

    async def GenerateModel(
        self, request: models_pb2.GenerateModelRequest, context: Any
    ) -> AsyncIterator[models_pb2.GenerateModelResponse]:
        """See the contract."""
        from quarterdeck.llm.errors import ModelError

        tenant = await self._tenants.resolve(request.tenant)
        router = self._routes.find(tenant.name, request.route or "default")
        tier = request.tier or next(iter(router.spec.tiers))
        model_request = _request(codec.loads_field(request.request_json, "request") or {})
        deltas: asyncio.Queue[str | None] = asyncio.Queue()

        async def generate() -> Any:
            try:
                return await router.generate(model_request, tier, lambda delta: deltas.put_nowait(delta.text))
            finally:
                deltas.put_nowait(None)

        task = asyncio.create_task(generate())
        try:
            while (text := await deltas.get()) is not None:
                if text:
                    yield models_pb2.GenerateModelResponse(text_delta=text)
            priced = await task
        except ModelError as error:
            raise Unavailable(error.message, hint=error.hint, reason=error.code) from error
        finally:
            task.cancel()
        whole = {**priced.response.to_json(), "costMicroUsd": priced.cost_micro_usd}
        yield models_pb2.GenerateModelResponse(response_json=codec.dumps(whole))

    async def ListModels(
        self, request: models_pb2.ListModelsRequest, context: Any
    ) -> models_pb2.ListModelsResponse:
        """See the contract."""
        tenant = await self._tenants.resolve(request.tenant)
        tiers = []
        for watched in self._watcher.list(tenant.name, "ModelRoute"):
            for tier in watched.spec.get("tiers") or ():
                tiers += [self._tier(tenant.name, watched.name, tier["name"])]
        return models_pb2.ListModelsResponse(tiers=tiers)

    def _tier(self, tenant: str, route: str, tier: str) -> models_pb2.ModelTier:
        from quarterdeck.llm.errors import ModelError

        try:
            provider, _, model = self._routes.find(tenant, route).answers_now(tier).partition("/")
        except (ModelError, ValueError) as error:
            return models_pb2.ModelTier(route=route, tier=tier, problem=str(error))
        return models_pb2.ModelTier(route=route, tier=tier, provider=provider, model=model)


def _request(data: dict[str, Any]) -> Any:
    from quarterdeck.llm.types import Message, ModelRequest, ToolSpec

    try:
        return ModelRequest(
            messages=tuple(Message.from_json(message) for message in data.get("messages") or ()),
            system=str(data.get("system") or ""),
            tools=tuple(ToolSpec.from_json(tool) for tool in data.get("tools") or ()),
            max_tokens=int(data.get("maxTokens") or data.get("max_tokens") or 1024),
            temperature=data.get("temperature"),
            output_schema=data.get("outputSchema") or data.get("output_schema"),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidArgument(f"not a model request: {error}", field="request") from error
