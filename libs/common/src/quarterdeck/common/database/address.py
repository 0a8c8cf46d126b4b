"""Where a PostgreSQL database is and what of it is ours, read from a URL."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from quarterdeck.common.errors import Unavailable

DEFAULT_POOL, SMALLEST_POOL = 8, 2
_NAME = re.compile(r"[a-z_][a-z0-9_]{0,40}")


@dataclass(frozen=True, slots=True)
class Address:
    """A database, and how a service uses it.

    Attributes:
        url: for the driver, without our own parameters.
        schema: the service's own; `public` if the URL names none.
        pool: connections at most.
        pooled: a pooler in transaction mode stands in between: nothing of a session may be relied on.
    """

    url: str
    schema: str
    pool: int
    pooled: bool

    @property
    def role(self) -> str:
        """The role that a service works as when its login is one that row-level security does not bind."""
        return f"quarterdeck_{self.schema}"

    @property
    def name(self) -> str:
        """The database in words: no password."""
        parts = urlsplit(self.url)
        return f"{parts.path.lstrip('/')} at {parts.hostname or 'the local socket'}:{parts.port or 5432}"


def read_address(url: str) -> Address:
    """Reads `postgresql://…?schema=&pool=&pooler=transaction`; other parameters go to the driver.

    Raises:
        Unavailable: it says something that cannot be.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise Unavailable(f"the database URL cannot be read: {error}", field="database_url") from error
    options = dict(parse_qsl(parts.query))
    schema, pool = options.pop("schema", "public"), options.pop("pool", str(DEFAULT_POOL))
    pooler = options.pop("pooler", "")
    if not _NAME.fullmatch(schema):
        raise _refused("schema", schema, "lower-case letters, digits and _")
    if not pool.isdigit() or int(pool) < SMALLEST_POOL:
        raise _refused("pool", pool, f"a number of connections, {SMALLEST_POOL} or more")
    if pooler not in ("", "transaction"):
        raise _refused("pooler", pooler, "transaction, or nothing")
    user = f"{quote(unquote(parts.username))}" if parts.username else ""
    password = f":{quote(unquote(parts.password), safe='')}" if parts.password else ""
    host = f"{parts.hostname or ''}{f':{port}' if port else ''}"
    rest = "?" + "&".join(f"{key}={quote(value)}" for key, value in options.items()) if options else ""
    driver = f"postgresql+asyncpg://{user}{password}{'@' if user else ''}{host}{parts.path}{rest}"
    return Address(driver, schema, int(pool), pooler == "transaction")


def _refused(name: str, value: str, wanted: str) -> Unavailable:
    return Unavailable(f"the database URL says {name}={value!r}; wanted: {wanted}", field="database_url")
