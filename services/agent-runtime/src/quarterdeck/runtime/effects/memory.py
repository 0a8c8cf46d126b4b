"""Memory operations. All of them may be repeated: saving is by id."""

from __future__ import annotations

from typing import Any

from quarterdeck.common import artifacts, codec
from quarterdeck.common.artifacts import ArtifactStore
from quarterdeck.common.constants import INLINE_BYTES
from quarterdeck.common.errors import (
    DeadlineExceeded,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    Unavailable,
)
from quarterdeck.common.proofs.holders import Uses
from quarterdeck.common.rpc_client import Peer
from quarterdeck.runtime.definition import Definition
from quarterdeck.runtime.effects.acting import act
from quarterdeck.runtime.effects.outcomes import failed, succeeded
from quarterdeck.runtime.events import Event
from quarterdeck.runtime.execution.unit import RunFacts
from quarterdeck.runtime.state import Effect, RunState
from quarterdeck.v1 import memory_pb2, memory_pb2_grpc


class MemoryPerformer:
    """Performs effects of kind "memory"."""

    def __init__(self, memory: Peer, store: ArtifactStore) -> None:
        self._memory = memory
        self._stub = memory.stub(memory_pb2_grpc.MemoryServiceStub)
        self._store = store

    async def perform(
        self, facts: RunFacts, definition: Definition, state: RunState, effect: Effect
    ) -> list[Event]:
        """See `Performer.perform`."""
        arguments = await artifacts.internalise(self._store, facts.tenant_id, effect.arguments)
        collection = frozenset((effect.target["collection"],))
        act(facts, definition.uses, Uses(reads=collection, writes=collection))
        try:
            result = await self._operate(facts, effect.target, arguments or {})
            return [succeeded(effect, await self._stored(facts, result))]
        except (Unavailable, DeadlineExceeded) as error:
            raise Unavailable(f"collection {effect.target['collection']}: {error.message}") from error
        except InvalidArgument as error:
            return [failed(effect, "error", "validation", error.message, field=error.field)]
        except PermissionDenied as error:
            return [failed(effect, "denied", "policy", error.message)]
        except (NotFound, FailedPrecondition) as error:
            return [failed(effect, "unavailable", "unavailable", error.message)]

    async def _stored(self, facts: RunFacts, result: Any) -> Any:
        return await artifacts.externalise(self._store, facts.tenant_id, result, INLINE_BYTES)

    async def _operate(self, facts: RunFacts, target: dict[str, Any], arguments: dict[str, Any]) -> Any:
        collection = target["collection"]
        operation = {"search": self._search, "save": self._save, "delete": self._delete}[target["operation"]]
        return await operation(facts.tenant, collection, arguments)

    async def _search(self, tenant: str, collection: str, arguments: dict[str, Any]) -> Any:
        request = memory_pb2.SearchMemoryRequest(
            tenant=tenant,
            collection=collection,
            query=str(arguments.get("query") or ""),
            limit=int(arguments.get("limit") or 0),
            filter_json=codec.dumps(arguments["filter"]) if arguments.get("filter") else b"",
            min_score=float(arguments.get("minScore") or 0),
        )
        answer = await self._memory.call(self._stub.SearchMemory, request)
        return {"items": [_item(item) for item in answer.items]}

    async def _save(self, tenant: str, collection: str, arguments: dict[str, Any]) -> Any:
        items = arguments.get("items", [arguments])
        request = memory_pb2.SaveMemoryRequest(
            tenant=tenant,
            collection=collection,
            items=[
                memory_pb2.MemoryItem(
                    id=str(item.get("id") or ""),
                    text=str(item.get("text") or ""),
                    payload_json=codec.dumps(item.get("payload") or {}),
                    expires_at=str(item.get("expiresAt") or ""),
                )
                for item in items
            ],
        )
        answer = await self._memory.call(self._stub.SaveMemory, request)
        return {"ids": list(answer.ids)}

    async def _delete(self, tenant: str, collection: str, arguments: dict[str, Any]) -> Any:
        request = memory_pb2.DeleteMemoryRequest(
            tenant=tenant,
            collection=collection,
            ids=list(arguments.get("ids") or ()),
            filter_json=codec.dumps(arguments["filter"]) if arguments.get("filter") else b"",
        )
        answer = await self._memory.call(self._stub.DeleteMemory, request)
        return {"deleted": answer.deleted}


def _item(item: memory_pb2.MemoryItem) -> dict[str, Any]:
    payload = codec.loads(item.payload_json) if item.payload_json else {}
    return {"id": item.id, "text": item.text, "payload": payload, "score": item.score}
