"""Cookies: how they are written, read, and when one is believed. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie

from quarterdeck.gateway.edges.origins import SAFE_METHODS

SESSION, BEGUN = "quarterdeck-session", "quarterdeck-sign-in"


def named(name: str, *, is_https: bool) -> str:
    """Returns a cookie's name: behind TLS one that no other host, and no page without TLS, can set."""
    return f"__Host-{name}" if is_https else name


def written(name: str, value: str, seconds: int, *, is_https: bool) -> str:
    """Returns a `Set-Cookie`; zero seconds remove it. No script reads it, no other site sends it along."""
    secure = "; Secure" if is_https else ""
    return (
        f"{named(name, is_https=is_https)}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}"
    )


def read(header: str, name: str, *, is_https: bool) -> str:
    """Returns a cookie of a `Cookie` header, empty if it is not there."""
    try:
        found = SimpleCookie(header).get(named(name, is_https=is_https))
    except CookieError:
        return ""
    return found.value if found is not None else ""


def is_from_here(method: str, headers: Mapping[bytes, bytes], origin: str) -> bool:
    """Whether a browser's request may count as the wish of whoever sits there.

    What changes nothing may come from anywhere: nobody else reads the answer. All else must come from a page
    of this gateway, by what browsers say themselves and no page can change.

    Args:
        origin: scheme and host of this gateway, as its visitors see it.
    """
    if method in SAFE_METHODS:
        return True
    site = headers.get(b"sec-fetch-site", b"")
    if site:
        return site == b"same-origin"
    return headers.get(b"origin", b"").decode("latin-1") == origin
