"""BusService: the dead letters of the bus."""

from __future__ import annotations

from typing import Any

from quarterdeck.common import codec
from quarterdeck.common.bus import Bus, DeadLetter
from quarterdeck.common.clock import rfc3339
from quarterdeck.common.errors import InvalidArgument
from quarterdeck.common.tenants import TenantDirectory
from quarterdeck.v1 import bus_pb2, bus_pb2_grpc

DEFAULT_LETTERS = 100
MOST_LETTERS = 500
# Dead letters that are looked through for those of one tenant, or for one id.
LOOKED_THROUGH = 10_000
# Bytes shown of a message that is not one of ours.
SHOWN_BYTES = 2048


class BusServicer(bus_pb2_grpc.BusServiceServicer):
    """Serves dead letters."""

    def __init__(self, bus: Bus, tenants: TenantDirectory) -> None:
        self._bus = bus
        self._tenants = tenants

    async def ListDeadLetters(
        self, request: bus_pb2.ListDeadLettersRequest, context: Any
    ) -> bus_pb2.ListDeadLettersResponse:
        """See the contract."""
        if not 0 <= request.limit <= MOST_LETTERS:
            raise InvalidArgument(f"limit is 1 to {MOST_LETTERS}", field="limit")
        found = await self._of_tenant(request.tenant)
        chosen = [letter for letter in found if not request.id or letter.id == request.id]
        shown = chosen[: request.limit or DEFAULT_LETTERS]
        return bus_pb2.ListDeadLettersResponse(letters=[_letter(letter) for letter in shown])

    async def ReplayDeadLetters(
        self, request: bus_pb2.ReplayDeadLettersRequest, context: Any
    ) -> bus_pb2.ReplayDeadLettersResponse:
        """See the contract."""
        if not 1 <= len(request.ids) <= MOST_LETTERS:
            raise InvalidArgument(f"name 1 to {MOST_LETTERS} dead letters", field="ids")
        ids = list(dict.fromkeys(request.ids))
        if request.tenant:
            own = {letter.id for letter in await self._of_tenant(request.tenant)}
            ids = [one for one in ids if one in own]
        return bus_pb2.ReplayDeadLettersResponse(replayed=await self._bus.replay(ids))

    async def _of_tenant(self, name: str) -> list[DeadLetter]:
        tenant_id = (await self._tenants.resolve(name)).id if name else ""
        letters = await self._bus.dead_letters(LOOKED_THROUGH)
        return [letter for letter in letters if not name or belongs_to(letter, tenant_id)]


def belongs_to(letter: DeadLetter, tenant_id: str) -> bool:
    """Says whether a dead letter is a message of this tenant. What is not ours belongs to nobody."""
    return letter.message is not None and letter.message.tenant_id == tenant_id


def _letter(letter: DeadLetter) -> bus_pb2.DeadLetter:
    message = letter.message
    return bus_pb2.DeadLetter(
        id=letter.id,
        queue=letter.queue,
        topic=letter.topic,
        reason=letter.reason,
        died_at=rfc3339(letter.died_at) if letter.died_at else "",
        tenant_id=message.tenant_id if message else "",
        ours=message is not None,
        data_json=codec.dumps(message.data) if message else b"",
        raw=b"" if message else letter.raw[:SHOWN_BYTES],
    )
