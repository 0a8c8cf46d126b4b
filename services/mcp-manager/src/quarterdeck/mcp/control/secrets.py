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
from quarterdeck.resources.secret_sources import SecretKey

# What lets them be read; by k8s/base, the controller itself has no right to any Secret.
ROLE = "quarterdeck-tool-secrets"


@dataclass(frozen=True, slots=True)
class Found:
    """What was found.

    Args:
        hash: of the values; empty if there are none, or if they may not be read.
        missing: what is not there, in words; empty if all is.
        denied: what may not be read, in words; empty if all may.
    """

    hash: str = ""
    missing: str = ""
    denied: str = ""


def references(spec: MCPServerSpec) -> list[tuple[str, str, SecretKey]]:
    """Returns the keys of Secrets that a server's pods get: what they are to it, the field, the key. Pure."""
    files = spec.container.secret_files if spec.container is not None else []
    return [
        *(
            (one.name, f"spec.secrets[{index}].secretRef.secret", one.secret_ref.secret)
            for index, one in enumerate(spec.secrets)
            if one.secret_ref.secret is not None
        ),
        *(
            (file.path, f"spec.container.secretFiles[{index}].secret", file.secret)
            for index, file in enumerate(files)
        ),
    ]


async def look(client: Client, namespace: str, spec: MCPServerSpec) -> Found:
    """Reads the Secrets that `spec` names."""
    present: dict[str, Object | None] = {}
    for name in sorted({key.name for _, _, key in references(spec)}):
        try:
            present[name] = await client.get(SECRETS, name, namespace)
        except NotFound:
            present[name] = None
        except Forbidden as error:
            how = f"Role {ROLE} of the namespace, which the registry's controller writes, has to name it"
            return Found(denied=f"Secret {name!r} may not be read yet: {how}: {error.message}")
    return judged(spec, present)


def judged(spec: MCPServerSpec, present: Mapping[str, Object | None]) -> Found:
    """Returns what follows from the Secrets by name, None for one that is not there. Pure."""
    digest, named = hashlib.sha256(), references(spec)
    for purpose, path, key in named:
        secret = present.get(key.name)
        if secret is None:
            return Found(missing=f"{path}: there is no Secret {key.name!r} in this namespace")
        value = (secret.get("data") or {}).get(key.key)
        if value is None:
            return Found(missing=f"{path}: Secret {key.name!r} has no key {key.key!r}")
        digest.update(f"{purpose}\0{value}\0".encode())
    return Found(hash=digest.hexdigest()[:16] if named else "")
