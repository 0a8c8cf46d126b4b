"""What the SDK may know about a message that a server sent of its own accord."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import anyio
from mcp_types import INTERNAL_ERROR

from mcp.shared.exceptions import MCPError
from mcp.shared.transport_context import TransportContext
from quarterdeck.mcp.exchange import RequestId

if TYPE_CHECKING:
    from mcp.shared.dispatcher import CallOptions
    from mcp.shared.message import MessageMetadata

_TRANSPORT = TransportContext(kind="stdio", can_send_request=False)


@dataclass(frozen=True, slots=True)
class Inbound:
    """What the SDK may know about a message of the server, see `mcp.shared.dispatcher.DispatchContext`."""

    request_id: RequestId | None
    transport: TransportContext = _TRANSPORT
    can_send_request: bool = False
    message_metadata: MessageMetadata = None
    cancel_requested: anyio.Event = field(default_factory=anyio.Event)

    async def send_raw_request(
        self, method: str, params: Mapping[str, Any] | None, opts: CallOptions | None = None
    ) -> dict[str, Any]:
        """Refused: nothing that we answer asks back."""
        raise MCPError(INTERNAL_ERROR, "no requests from within a request")

    async def notify(
        self, method: str, params: Mapping[str, Any] | None, opts: CallOptions | None = None
    ) -> None:
        """Dropped."""

    async def progress(self, progress: float, total: float | None = None, message: str | None = None) -> None:
        """Dropped."""
