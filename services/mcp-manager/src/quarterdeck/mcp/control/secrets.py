"""The Secrets that a server's pods need: are they there, and a word that changes with their values."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from quarterdeck.controller.api.client import Client
from quarterdeck.controller.api.errors import Forbidden, NotFound
from quarterdeck.controller.api.resource import SECRETS
from quarterdeck.controller.objects import Object
from quarterdeck.resources.mcpserver import MCPServerSpec


@dataclass(frozen=True, slots=True)
class Found:
    """What was found.

    Args:
        hash: of the values; empty if there are none, or if they may not be read.
        missing: what is not there, in words; empty if all is.
    """

    hash: str = ""
    missing: str = ""


class Unreadable(Exception):
    """The controller may not read a Secret."""


async def look(client: Client, namespace: str, spec: MCPServerSpec) -> Found:
    """Reads the Secrets that `spec` names. Raises Unreadable if that is not allowed."""
    names = {ref.secret.name for one in spec.secrets if (ref := one.secret_ref).secret is not None}
    return judged(spec, {name: await _read(client, namespace, name) for name in sorted(names)})


def judged(spec: MCPServerSpec, present: Mapping[str, Object | None]) -> Found:
    """Returns what follows from the Secrets by name, None for one that is not there. Pure."""
    digest, some = hashlib.sha256(), False
    for index, one in enumerate(spec.secrets):
        ref = one.secret_ref.secret
        if ref is None:
            continue
        secret = present.get(ref.name)
        path = f"spec.secrets[{index}].secretRef.secret"
        if secret is None:
            return Found(missing=f"{path}: there is no Secret {ref.name!r} in this namespace")
        value = (secret.get("data") or {}).get(ref.key)
        if value is None:
            return Found(missing=f"{path}: Secret {ref.name!r} has no key {ref.key!r}")
        digest.update(f"{one.name}\0{value}\0".encode())
        some = True
    return Found(hash=digest.hexdigest()[:16] if some else "")


async def _read(client: Client, namespace: str, name: str) -> Object | None:
    try:
        return await client.get(SECRETS, name, namespace)
    except NotFound:
        return None
    except Forbidden as error:
        raise Unreadable(str(error)) from None
