"""A peer that is a servicer in this process: the real performers talk to it as if over the wire."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from quarterdeck.common.rpc_client import Peer


class LocalPeer(Peer):
    """Calls the methods of `servicer`, each an async function of a request.

    What a method raises is what the caller gets; use errors of `quarterdeck.common.errors`.
    """

    def __init__(self, service: str, servicer: Any) -> None:
        self.service = service
        self._servicer = servicer

    def stub(self, factory: Callable[[Any], Any]) -> Any:
        """See `Peer.stub`."""
        return self._servicer

    async def call(
        self, method: Any, request: Any, timeout: float | None = 30.0, *, patience: float = 0.0
    ) -> Any:
        """See `Peer.call`; no time passes."""
        return await method(request)

    async def close(self) -> None:
        """Nothing to close."""
