"""For whom a call is made: a person or program at the door, or a run. As values, and as claims. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from quarterdeck.common.authorization.rules import Rule
from quarterdeck.common.constants import RUN_AUTHORITY, SERVICE_PRINCIPAL_PREFIX
from quarterdeck.common.identity import DOOR, Principal
from quarterdeck.common.proofs.tokens import Refused

DOOR_TOKEN, RUN_TOKEN = "qd-door+jwt", "qd-run+jwt"
# Who vouches for whom: principals are known at the door alone, runs by the runtime alone.
VOUCHERS = {DOOR_TOKEN: DOOR, RUN_TOKEN: RUN_AUTHORITY}
ANY = "*"


@dataclass(frozen=True, slots=True)
class Uses:
    """What an agent or workflow declares that it uses.

    Attributes:
        tools: "server/tool", or "server/*" for all of a server.
        reads: collections that it searches.
        writes: collections that it also changes.
    """

    tools: frozenset[str] = frozenset()
    reads: frozenset[str] = frozenset()
    writes: frozenset[str] = frozenset()

    def has_tool(self, server: str, tool: str) -> bool:
        """True for a declared tool."""
        return f"{server}/{tool}" in self.tools or f"{server}/{ANY}" in self.tools

    def reads_from(self, collection: str) -> bool:
        """True for a collection that may be searched."""
        return collection in self.reads or collection in self.writes

    def __len__(self) -> int:
        return len(self.tools) + len(self.reads) + len(self.writes)


NOTHING = Uses()


@dataclass(frozen=True, slots=True)
class RunClaim:
    """A run as it is held by one worker: for whom it goes, and what it may use."""

    principal: Principal
    tenant: str
    tenant_id: str
    run_id: str
    epoch: int
    uses: Uses


Holder = Principal | RunClaim


def principal_of(holder: Holder | None) -> Principal | None:
    """Returns the person or program behind a holder."""
    return holder.principal if isinstance(holder, RunClaim) else holder


def kind_of(holder: Holder) -> str:
    """Returns the kind of token that proves a holder."""
    return RUN_TOKEN if isinstance(holder, RunClaim) else DOOR_TOKEN


def claims_of(holder: Holder) -> dict[str, Any]:
    """Returns what a token says about its holder."""
    if isinstance(holder, Principal):
        said: dict[str, Any] = {"sub": holder.subject, "groups": list(holder.groups)}
        # Of a key, or of a provider of one tenant; most have neither.
        if holder.tenant:
            said["only"] = holder.tenant
        if holder.scopes:
            parts = ([sorted(one.verbs), sorted(one.kinds), list(one.names)] for one in holder.scopes)
            said["scopes"] = list(parts)
        return said
    return {
        **claims_of(holder.principal),
        "tenant": holder.tenant,
        "tid": holder.tenant_id,
        "run": holder.run_id,
        "epoch": holder.epoch,
        "tools": sorted(holder.uses.tools),
        "reads": sorted(holder.uses.reads),
        "writes": sorted(holder.uses.writes),
    }


def holder_of(kind: str, claims: Mapping[str, Any]) -> Holder:
    """Returns whom claims are about. Raises Refused."""
    subject, groups = claims.get("sub"), _texts(claims.get("groups"))
    if not isinstance(subject, str) or not subject or subject.startswith(SERVICE_PRINCIPAL_PREFIX):
        raise Refused("subject")
    principal = Principal(
        subject, tuple(groups), str(claims.get("only", "")), _scopes(claims.get("scopes", []))
    )
    if kind == DOOR_TOKEN:
        return principal
    run_id, epoch, tenant_id = claims.get("run"), claims.get("epoch"), claims.get("tid")
    if not (isinstance(run_id, str) and run_id and isinstance(epoch, int) and isinstance(tenant_id, str)):
        raise Refused("malformed")
    uses = Uses(*(frozenset(_texts(claims.get(name))) for name in ("tools", "reads", "writes")))
    return RunClaim(principal, str(claims.get("tenant")), tenant_id, run_id, epoch, uses)


def _scopes(value: object) -> tuple[Rule, ...]:
    try:
        parts = [[tuple(_texts(part)) for part in one] for one in value]  # type: ignore[attr-defined]
        return tuple(Rule(frozenset(verbs), frozenset(kinds), names) for verbs, kinds, names in parts)
    except (TypeError, ValueError):
        raise Refused("malformed") from None


def _texts(value: object) -> Iterable[str]:
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise Refused("malformed")
    return value
