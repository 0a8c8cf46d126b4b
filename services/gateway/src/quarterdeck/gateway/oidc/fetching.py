"""Reads a provider's documents: bounded in size and time, and from where they say they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from quarterdeck.common import codec
from quarterdeck.common.errors import Unavailable
from quarterdeck.common.outbound.policy import Outbound
from quarterdeck.common.outbound.resolving import OutboundRefused
from quarterdeck.gateway.oidc.providers import Provider, is_safe

LARGEST, PATIENCE = 1024 * 1024, 5.0
WELL_KNOWN = "/.well-known/openid-configuration"


@dataclass(frozen=True, slots=True)
class Form:
    """What is posted to a provider.

    Attributes:
        client: name and secret of who posts it, if it has one.
    """

    values: Mapping[str, str]
    client: tuple[str, str] | None = None


async def keys_of(provider: Provider, outbound: Outbound) -> dict[str, dict[str, Any]]:
    """Returns the provider's public keys by their ids.

    Args:
        outbound: where its addresses may lead to.

    Raises:
        Unavailable: it does not answer, or answers something else.
    """
    listed = (await _document(await endpoint_of(provider, "jwks_uri", outbound), outbound)).get("keys")
    found = listed if isinstance(listed, list) else []
    return {str(key["kid"]): key for key in found if isinstance(key, dict) and _is_for_signing(key)}


async def endpoint_of(provider: Provider, name: str, outbound: Outbound) -> str:
    """Returns an address that the provider's discovery document names. Raises Unavailable."""
    about = await _document(provider.issuer.rstrip("/") + WELL_KNOWN, outbound)
    if about.get("issuer") != provider.issuer:
        raise _away(f"{provider.issuer} calls itself {str(about.get('issuer'))[:200]!r}")
    address = about.get(name)
    if not isinstance(address, str) or not is_safe(address):
        raise _away(f"{provider.issuer} names no safe {name}")
    return address


async def answer_to(form: Form, url: str, outbound: Outbound) -> dict[str, Any]:
    """Posts a form; returns the JSON object that is answered, be it a refusal.

    Raises:
        Unavailable: it does not answer, or answers something else.
    """
    return await _document(url, outbound, form)


def _is_for_signing(key: dict[str, Any]) -> bool:
    return bool(key.get("kid")) and key.get("use", "sig") == "sig" and key.get("kty") in ("RSA", "EC", "OKP")


async def _document(url: str, outbound: Outbound, form: Form | None = None) -> dict[str, Any]:
    import aiohttp

    from quarterdeck.common.outbound.connector import guarded_connector

    method, data, auth = "GET", None, None
    if form is not None:
        method, data = "POST", form.values
        auth = aiohttp.BasicAuth(*form.client) if form.client else None
    try:
        timeout = aiohttp.ClientTimeout(total=PATIENCE)
        async with (
            aiohttp.ClientSession(
                connector=await guarded_connector(url, outbound), timeout=timeout
            ) as session,
            session.request(method, url, data=data, auth=auth, allow_redirects=False) as response,
        ):
            body = await response.content.read(LARGEST + 1)
            while len(body) <= LARGEST and (more := await response.content.read(LARGEST + 1 - len(body))):
                body += more
    except (aiohttp.ClientError, TimeoutError, OSError, OutboundRefused) as error:
        raise _away(f"{url} does not answer: {type(error).__name__}") from None
    # 400 is how a token endpoint says no, as a JSON object.
    return _read(url, response.status, body, (200,) if form is None else (200, 400))


def _read(url: str, status: int, body: bytes, expected: tuple[int, ...]) -> dict[str, Any]:
    if status not in expected or len(body) > LARGEST:
        raise _away(f"{url} answers {status} with {len(body)} bytes")
    try:
        found = codec.loads(body)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise _away(f"{url} answers no JSON object")
    return found


def _away(why: str) -> Unavailable:
    return Unavailable(
        "the identity provider cannot be asked for its keys",
        hint=f"try again; the gateway's log says why ({why.partition(' ')[0]})",
        reason="IdentityProviderUnavailable",
        retry_after=5,
    )
