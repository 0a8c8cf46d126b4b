"""Who calls and for whom, from what came with a call. Whatever is wrong with it, the answer is the same."""

from __future__ import annotations

from typing import Any, NamedTuple

from quarterdeck.common.access import Requirement, require_caller
from quarterdeck.common.errors import Unauthenticated
from quarterdeck.common.identity import CallContext, service_principal
from quarterdeck.common.proofs.checking import TokenVerifier
from quarterdeck.common.proofs.declared import require_declared
from quarterdeck.common.proofs.holders import RunClaim
from quarterdeck.common.proofs.tokens import Refused
from quarterdeck.common.telemetry import Telemetry

_SCHEME = "Bearer "
REFUSED = "ProofRefused"


class Given(NamedTuple):
    """What came with a call: the caller's proof, that of whom it is for, and the tenant it is about."""

    workload: str
    holder: str
    tenant: str


class Admission:
    """Lets calls of one service in."""

    def __init__(self, verifier: TokenVerifier, telemetry: Telemetry) -> None:
        self._verifier = verifier
        self._log = telemetry.log
        self._refused = telemetry.proofs_refused

    def admit(self, given: Given, requirement: Requirement, request: Any) -> CallContext:
        """Returns who calls, and for whom.

        Raises:
            Unauthenticated: a proof is missing or refused, or the RPC is not for this service.
            PermissionDenied: the run that it is for declares no such thing.
        """
        try:
            return self._admitted(given, requirement, request)
        except Refused as refusal:
            self._refused.labels(refusal.why).inc()
            self._log.warning("call.proof_refused", why=refusal.why, method=requirement.method)
            raise Unauthenticated("the proof of who calls, or for whom, is refused", reason=REFUSED) from None

    def _admitted(self, given: Given, requirement: Requirement, request: Any) -> CallContext:
        if not given.workload.startswith(_SCHEME):
            raise Refused("missing")
        service = self._verifier.verify(given.workload.removeprefix(_SCHEME))
        require_caller(requirement, service)
        if not given.holder:
            if requirement.personal:
                raise Refused("nobody")
            return CallContext(service, service_principal(service), requirement.method)
        holder = self._verifier.holder(given.holder, service, given.tenant)
        if not isinstance(holder, RunClaim):
            return CallContext(service, holder, requirement.method)
        require_declared(holder, requirement.verb, requirement.resource, request)
        return CallContext(service, holder.principal, requirement.method, holder)
