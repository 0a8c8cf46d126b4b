"""An address of an API server with credentials that may change while we run."""

from __future__ import annotations

import asyncio
import ssl
import time

from quarterdeck.controller.api.errors import Unreachable
from quarterdeck.controller.configuration.credentials import Credentials
from quarterdeck.controller.configuration.errors import NoCluster
from quarterdeck.controller.configuration.finding import Place, find
from quarterdeck.controller.configuration.trust import tls_context

# Credentials are asked for again after so many seconds; most sources read a file then, or do nothing.
CREDENTIAL_SECONDS = 30.0


class Connection:
    """See the module; made by `connect`, for one event loop.

    Attributes:
        host: as `https://10.0.0.1:443`, without a slash at the end.
        tls: None for plain HTTP. Another one once our certificate has changed.
    """

    def __init__(self, place: Place) -> None:
        self._place = place
        self._credentials: Credentials | None = None
        self._read_at = float("-inf")
        self._turn = asyncio.Lock()
        self.host = place.host
        self.server_name = place.server_name or None
        self.proxy = place.proxy or None
        self.tls: ssl.SSLContext | None = None

    async def headers(self) -> dict[str, str]:
        """Returns the headers that say who we are; reads credentials again when they may have changed."""
        if time.monotonic() - self._read_at > CREDENTIAL_SECONDS:
            await self._renew(anew=False)
        told = self._credentials
        return {"Authorization": told.authorization} if told and told.authorization else {}

    async def refresh(self) -> None:
        """Gets credentials again, now: the server did not trust the last ones.

        Raises:
            Unreachable: there are none to be had.
        """
        await self._renew(anew=True)

    async def _renew(self, *, anew: bool) -> None:
        before = self._read_at
        async with self._turn:
            if self._read_at != before:  # somebody else did while we waited
                return
            try:
                await self.read(anew=anew)
            except NoCluster as error:
                raise Unreachable(error.message) from error

    async def read(self, *, anew: bool = False) -> None:
        """Reads credentials on a thread: it may read files, or run a program. NoCluster if there are none."""
        await asyncio.to_thread(self._read, anew)
        self._read_at = time.monotonic()

    def _read(self, anew: bool) -> None:
        found = self._place.source.read(anew=anew)
        old = self._credentials
        if self.host.startswith("https") and (old is None or old.certificate != found.certificate):
            place = self._place
            self.tls = tls_context(place.authority, found.certificate, insecure=place.insecure)
        self._credentials = found


async def connect(kubeconfig: str | None = None, context: str | None = None) -> Connection:
    """Finds the API server: the file given, `$KUBECONFIG`, the pod's account or `~/.kube/config`, in turn.

    Raises:
        NoCluster: none of these is there, or what it says is wrong.
    """
    connection = Connection(await asyncio.to_thread(find, kubeconfig, context))
    await connection.read()
    return connection
