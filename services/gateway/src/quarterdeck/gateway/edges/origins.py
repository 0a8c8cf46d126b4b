"""Whether a browser sends a request on behalf of another site. Pure."""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import urlsplit

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
# What a browser says of a request that our own pages, or the person at the keyboard, made.
_OWN = frozenset({"", "same-origin", "none"})


def is_foreign(method: str, fetch_site: str, origin: str, host: str, allowed: Collection[str]) -> bool:
    """Returns whether a request could change something for a site that has no business here.

    Args:
        fetch_site: the header `Sec-Fetch-Site`, which no page can set; older browsers send none.
        origin: the header `Origin`; programs that are no browsers send none.
        host: the header `Host`.
        allowed: origins that may.
    """
    if method in SAFE_METHODS or (origin and origin in allowed):
        return False
    if fetch_site:
        return fetch_site not in _OWN
    return bool(origin) and origin.lower() not in (f"http://{host.lower()}", f"https://{host.lower()}")


def is_origin(text: str) -> bool:
    """True for `https://console.example` or `http://localhost:5173`, as browsers write it."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return (
        parts.scheme in ("http", "https")
        and bool(parts.hostname)
        and text == f"{parts.scheme}://{parts.netloc}"
        and text == text.lower()
        and "@" not in parts.netloc
    )
