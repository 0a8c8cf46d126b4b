"""Checks proofs at the callee. A token is verified once and remembered until it ends."""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import NamedTuple

from quarterdeck.common.proofs.accounts import AccountVerifier
from quarterdeck.common.proofs.holders import VOUCHERS, Holder, RunClaim, holder_of
from quarterdeck.common.proofs.keys import KeyDirectory, KnownKeys, Now
from quarterdeck.common.proofs.signing import WORKLOAD_TOKEN
from quarterdeck.common.proofs.tokens import Refused, require_current, require_signed, take_apart

VERIFIED_TOKENS = 4096
# Runs whose latest epoch is remembered.
KNOWN_RUNS = 65_536


class _Proven(NamedTuple):
    """`service` signed it; `tenant` is what the holder's call must be about."""

    expires: float
    service: str
    tenant: str
    holder: Holder | None


class TokenVerifier:
    """Checks the tokens that are meant for one audience.

    Args:
        accounts: checks who calls, in a cluster; keys of the services themselves prove only for whom, then.
    """

    def __init__(
        self,
        audience: str,
        keys: KeyDirectory,
        now: Now = time.time,
        accounts: AccountVerifier | None = None,
    ) -> None:
        self._accounts = accounts
        self.audience = audience
        self._now = now
        self._keys = KnownKeys(keys, now)
        self._proven: OrderedDict[str, _Proven] = OrderedDict()
        self._epochs: OrderedDict[str, int] = OrderedDict()

    def verify(self, token: str) -> str:
        """Returns the calling service's name. Raises Refused."""
        proven = self._known(token) or self._remember(token, self._workload(token))
        if proven.holder is not None:
            raise Refused("kind")
        return proven.service

    def holder(self, token: str, service: str, tenant: str) -> Holder:
        """Returns for whom a proven service calls about a tenant. Raises Refused."""
        proven = self._known(token) or self._remember(token, self._vouched(token))
        if proven.holder is None:
            raise Refused("kind")
        if proven.service != service:
            raise Refused("voucher")
        if proven.tenant != tenant:
            raise Refused("tenant")
        if isinstance(proven.holder, RunClaim):
            self._require_latest(proven.holder)
        return proven.holder

    def _known(self, token: str) -> _Proven | None:
        known = self._proven.get(token)
        return known if known is not None and known.expires > self._now() else None

    def _remember(self, token: str, proven: _Proven) -> _Proven:
        self._proven[token] = proven
        while len(self._proven) > VERIFIED_TOKENS:
            self._proven.popitem(last=False)
        return proven

    def _workload(self, token: str) -> _Proven:
        if self._accounts is not None:
            expires, service = self._accounts.verify(token)
            return _Proven(expires, service, "", None)
        given = take_apart(token)
        if given.kind != WORKLOAD_TOKEN:
            raise Refused("kind")
        key = self._keys.find(given.key_id)
        require_signed(given, key.key)
        expires = require_current(given.claims, self.audience, self._now())
        if given.claims.get("sub") != key.service:
            raise Refused("subject")
        return _Proven(expires, key.service, "", None)

    def _vouched(self, token: str) -> _Proven:
        given = take_apart(token)
        voucher = VOUCHERS.get(given.kind)
        if voucher is None:
            raise Refused("kind")
        key = self._keys.find(given.key_id)
        if key.service != voucher:
            raise Refused("voucher")
        require_signed(given, key.key)
        expires = require_current(given.claims, self.audience, self._now())
        holder = holder_of(given.kind, given.claims)
        return _Proven(expires, key.service, str(given.claims.get("tenant")), holder)

    def _require_latest(self, run: RunClaim) -> None:
        """Refuses a run whose worker has lost it to another one."""
        latest = self._epochs.get(run.run_id, run.epoch)
        if run.epoch < latest:
            raise Refused("epoch")
        self._epochs[run.run_id] = run.epoch
        self._epochs.move_to_end(run.run_id)
        while len(self._epochs) > KNOWN_RUNS:
            self._epochs.popitem(last=False)
