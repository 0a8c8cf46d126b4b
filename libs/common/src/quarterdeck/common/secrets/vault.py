"""Secrets in Vault's KV engine, version 2, over its HTTP API."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any
from urllib.parse import quote, urlsplit

from quarterdeck.common import codec
from quarterdeck.common.errors import Unavailable

# Seconds that a value is believed: so long after a change in Vault, the new one is used everywhere.
KEPT = 60.0
_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
MOST, LARGEST, PATIENCE = 1000, 1024 * 1024, 5.0


@dataclass(frozen=True, slots=True)
class Place:
    """Where secrets are: `<address>/v1/<mount>/data/<prefix>/<tenant>/<name>`."""

    address: str
    mount: str
    prefix: str

    @classmethod
    def parse(cls, url: str) -> Place:
        """Reads `vault+https://host:8200/mount/prefix`. Raises ValueError for anything else."""
        parts = urlsplit(url)
        mount, _, prefix = parts.path.strip("/").partition("/")
        if parts.scheme not in ("vault+https", "vault+http") or not parts.hostname or not mount:
            raise ValueError("write vault+https://host:8200/mount/prefix")
        return cls(f"{parts.scheme.removeprefix('vault+')}://{parts.netloc}", mount, prefix)

    def url(self, tenant: str, name: str) -> str:
        """Returns the address of a secret; each part stays one part."""
        parts = [*filter(None, self.prefix.split("/")), tenant, name]
        return "/".join([self.address, "v1", self.mount, "data", *(quote(part, safe="") for part in parts)])


class VaultSecrets:
    """Reads secrets. The token is read from its file each time: whoever renews it restarts nobody."""

    def __init__(self, place: Place, token_file: Path, now: Callable[[], float] = monotonic) -> None:
        self._place = place
        self._token_file = token_file
        self._now = now
        self._kept: OrderedDict[tuple[str, str], tuple[float, dict[str, Any]]] = OrderedDict()

    async def read(self, tenant: str, name: str, key: str) -> str:
        """Returns a value.

        Raises:
            Unavailable: Vault does not answer, or has no such value. No message has a value in it.
        """
        if not all(_PART.fullmatch(part) for part in (tenant, name)):
            raise Unavailable("that is no name of a secret", reason="SecretMissing")
        until, values = self._kept.get((tenant, name), (0.0, {}))
        if until <= self._now():
            values = await self._ask(tenant, name)
            self._kept[tenant, name] = self._now() + KEPT, values
            if len(self._kept) > MOST:
                self._kept.popitem(last=False)
        value = values.get(key)
        if not isinstance(value, str) or not value:
            raise Unavailable(f"the secret {name} in Vault has no {key}", reason="SecretMissing")
        return value

    async def _ask(self, tenant: str, name: str) -> dict[str, Any]:
        import aiohttp

        timeout = aiohttp.ClientTimeout(total=PATIENCE)
        try:
            headers = {"X-Vault-Token": self._token_file.read_text().strip(), "X-Vault-Request": "true"}
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.get(
                    self._place.url(tenant, name), headers=headers, allow_redirects=False
                ) as response,
            ):
                status, body = response.status, await response.content.read(LARGEST)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _away(f"does not answer: {type(error).__name__}") from None
        if status == 404:
            raise Unavailable(f"Vault has no secret {name} of tenant {tenant}", reason="SecretMissing")
        return _values(status, body)


def _values(status: int, body: bytes) -> dict[str, Any]:
    try:
        found = codec.loads(body)["data"]["data"] if status == 200 else None
    except (ValueError, KeyError, TypeError):
        found = None
    if not isinstance(found, dict):
        raise _away(f"answers {status}")
    return found


def _away(why: str) -> Unavailable:
    return Unavailable(f"Vault {why}", hint="see its log and the token's policy", reason="VaultUnavailable")
