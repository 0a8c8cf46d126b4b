"""Which identity providers are believed, and about whom."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

# Words that only the platform itself begins a name with.
RESERVED = frozenset({"account", "group", "local", "quarterdeck", "system", "trigger"})


def is_safe(url: str) -> bool:
    """True for https, and for http on this machine, where nobody listens in."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    if parts.username or parts.fragment or not parts.hostname:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname))


def is_loopback(host: str) -> bool:
    """True for a name or address of this machine that no other reaches."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _issuer(url: str) -> str:
    if not is_safe(url) or urlsplit(url).query:
        raise ValueError("an issuer is an https address (http on this machine), without a query")
    return url


def _name(name: str) -> str:
    if name in RESERVED:
        raise ValueError(f"{name!r} is a word of the platform")
    return name


def check_origin(url: str) -> str:
    """Returns scheme and host of a safe address, or nothing. Raises ValueError for anything else."""
    parts = urlsplit(url)
    if url and (not is_safe(url) or parts.path or parts.query):
        raise ValueError("write https://host, or http://host:port on this machine, and nothing behind it")
    return url


class Provider(BaseModel):
    """An identity provider. Its people are called `<name>:<subject>`, its groups `<name>:<group>`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[
        str, StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"), AfterValidator(_name)
    ]
    issuer: Annotated[str, AfterValidator(_issuer)]
    audience: str = Field(min_length=1, description="Tokens must be meant for it.")
    subject_claim: str = Field(default="sub", min_length=1)
    groups_claim: str = Field(default="groups", min_length=1)
    tenant: str = Field(
        default="", description="The only tenant where its people may do anything; empty: any."
    )
    client_id: str = Field(default="", description="What we are called there; empty: the audience.")
    client_secret_file: Path | None = Field(
        default=None, description="File of the secret that the provider gave us; empty: it gave none."
    )
    scopes: tuple[str, ...] = Field(
        default=("openid", "profile", "email", "offline_access"), description="Asked for at a sign-in."
    )

    @property
    def client(self) -> str:
        """What programs call themselves there."""
        return self.client_id or self.audience


def check_all(providers: tuple[Provider, ...]) -> tuple[Provider, ...]:
    """Returns the providers. Raises ValueError if two have one name or one issuer."""
    for what in ("name", "issuer"):
        given = [getattr(provider, what) for provider in providers]
        if len(set(given)) < len(given):
            raise ValueError(f"two identity providers have the same {what}")
    return providers
