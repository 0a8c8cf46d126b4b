"""What a service sends with each call: its own proof, and that of whom it calls for."""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import Any

from quarterdeck.common.proofs.accounts import AccountTokens
from quarterdeck.common.proofs.holders import Holder, claims_of, kind_of
from quarterdeck.common.proofs.keys import KeyDirectory, Now, SigningKeys
from quarterdeck.common.proofs.tokens import ISSUER, LIFETIME, sign

WORKLOAD_TOKEN = "qd-workload+jwt"
RENEW_BEFORE = 60.0
KEPT = 4096


class WorkloadIdentity:
    """Signs for one service. What was signed is used again until a minute before it ends.

    Args:
        accounts: what proves the service in a cluster; it signs only for whom it calls then.
    """

    def __init__(
        self,
        service: str,
        keys: KeyDirectory,
        now: Now = time.time,
        accounts: AccountTokens | None = None,
    ) -> None:
        self.service = service
        self._accounts = accounts
        self._now = now
        self._keys = SigningKeys(service, keys, now)
        self._signed: OrderedDict[Any, tuple[float, str]] = OrderedDict()

    @property
    def key_id(self) -> str:
        """The id of the key that signs at the moment."""
        return self._keys.key_id

    def token(self, audience: str) -> str:
        """Returns a token that proves this service to `audience`. Raises Unavailable."""
        if self._accounts is not None:
            return self._accounts.token(audience)
        return self._kept((audience,), WORKLOAD_TOKEN, {"sub": self.service}, audience)

    def token_for(self, holder: Holder, audience: str, tenant: str) -> str:
        """Returns a token that proves to `audience` for whom a call about a tenant is made."""
        place = (holder, audience, tenant)
        known = self._signed.get(place)
        if known is not None and known[0] - self._now() > RENEW_BEFORE:
            return known[1]
        return self._kept(place, kind_of(holder), {"tenant": tenant, **claims_of(holder)}, audience)

    def _kept(self, place: Any, kind: str, claims: dict[str, Any], audience: str) -> str:
        now = self._now()
        expires, token = self._signed.get(place, (0.0, ""))
        if expires - now > RENEW_BEFORE:
            return token
        key_id, private = self._keys.current()
        issued = int(now)
        times = {"iss": ISSUER, "aud": audience, "iat": issued, "exp": issued + int(LIFETIME)}
        token = sign(kind, key_id, {**claims, **times}, private)
        self._signed[place] = (issued + LIFETIME, token)
        self._signed.move_to_end(place)
        while len(self._signed) > KEPT:
            self._signed.popitem(last=False)
        return token

    def close(self) -> None:
        """Withdraws the public keys."""
        self._keys.close()
