"""A platform in a process of its own, with an API key for each role."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from badinput_support import NEIGHBOUR, TENANT, LivePlatform, manifest

from quarterdeck.common.authorization.roles import ROLES

NOBODY, STRANGER = "", "stranger"
# Somebody without a credential, somebody with a key and no role, and somebody of each role.
PEOPLE = (NOBODY, STRANGER, *ROLES)
# What would tell a reader how we are made: our code's inside, its places, its statements.
INSIDE = re.compile(
    r"Traceback|\bFile \"|site-packages|/src/quarterdeck|\.py\b.*line \d|sqlalchemy|sqlite3?\.|psycopg"
    r"|asyncpg|\bSELECT .+ FROM\b|\bINSERT INTO\b|object at 0x|grpc_message|debug_error_string"
)


@dataclass(frozen=True)
class Guarded:
    """The platform; `keys` are those of `PEOPLE`, by role."""

    platform: LivePlatform
    url: str
    grpc: str
    keys: Mapping[str, str]

    def headers(self, who: str) -> dict[str, str]:
        """Returns what somebody sends along."""
        return {"Authorization": f"Bearer {self.keys[who]}"} if who else {}

    def leaks(self, text: str) -> str:
        """Returns what a text tells of our inside; empty if it tells nothing."""
        found = INSIDE.search(text)
        secrets = (str(self.platform.data), self.platform.http.headers["Authorization"].partition(" ")[2])
        return found[0] if found else next((secret for secret in secrets if secret in text), "")


@contextmanager
def opened(folder: Path) -> Iterator[Guarded]:
    """Starts a platform, and gives each role to an account with a key."""
    platform = LivePlatform(
        folder,
        MODEL_KEY="a-key-for-tests",
        QD_GATEWAY_REQUESTS_PER_MINUTE="0",
        QD_GATEWAY_TENANT_REQUESTS_PER_MINUTE="0",
        QD_GATEWAY_PLATFORM_ADMINS=json.dumps(["account:platform-admin"]),
    )
    try:
        platform.start()
        platform.apply(*NEIGHBOUR)
        keys = {who: _key(platform, who) for who in PEOPLE if who}
        place = json.loads((platform.data / "endpoint.json").read_text())
        yield Guarded(platform, place["url"], place["grpc"], keys)
    finally:
        platform.kill()


def _key(platform: LivePlatform, who: str) -> str:
    """Binds an account to its role, and returns a key of it."""
    account = f"account:{who}"
    if who in ROLES:
        spec = {"role": who, "subjects": [{"principal": account}]}
        bound = platform.http.put(f"{TENANT}/accessbindings/{who}", json=manifest("AccessBinding", who, spec))
        assert bound.is_success, bound.text
    made = platform.http.post(f"{TENANT}/apikeys", json={"name": who, "principal": account})
    assert made.is_success, made.text
    key: str = made.json()["key"]
    return key
