"""The roles that are there from the start. `k8s/base/roles.yaml` has the same, which a test compares."""

from __future__ import annotations

from quarterdeck.common.authorization.rules import Rule
from quarterdeck.resources.constants import BUILT_IN_ROLES

ADMIN, PLATFORM_ADMIN = "admin", "platform-admin"
# Service accounts, what one does with them, and the one whom a trigger acts for that names no other.
ACCOUNTS, USE, DEFAULT_ACCOUNT = "serviceaccounts", "use", "triggers"

_DECLARED = (
    "accessbindings",
    "accessroles",
    "agents",
    "approvalpolicies",
    "mcpservers",
    "memorycollections",
    "modelroutes",
    "policies",
    "triggers",
    "workflows",
)
# Who is asked, and what is allowed: not for everybody who writes agents.
_POLICIES = ("accessbindings", "accessroles", "approvalpolicies", "policies")
_SEEN = ("runs", "runs/effects", "runs/events", "approvals", "artifacts")
_READ = ("get", "list", "watch")
_WRITE = ("create", "update", "delete")


def _rule(verbs: tuple[str, ...], *kinds: str) -> Rule:
    return Rule(frozenset(verbs), frozenset(kinds))


_LOOK = (
    _rule(_READ, *_DECLARED),
    _rule(_READ, *_SEEN, "models", "tools", "memories"),
    _rule(("search",), "memories/search"),
)
_START = (
    _rule(("create",), "runs", "runs/rerun", "events"),
    _rule(("update",), "runs/cancel", "runs/pause", "runs/resume", "runs/signal"),
)
# Triggers that name no account of their own.
_AS_TRIGGERS = Rule(frozenset({USE}), frozenset({ACCOUNTS}), (DEFAULT_ACCOUNT,))
_AS_ANY = _rule((USE,), ACCOUNTS)
_BUILD = (
    _rule(_WRITE, *(kind for kind in _DECLARED if kind not in _POLICIES)),
    *_START,
    _rule(("call",), "models/call", "tools/call", "triggers/fire"),
    _rule(("save",), "memories/save"),
    _rule(("delete",), "memories"),
)
_KEEP_GOING = (
    _rule(("update",), "runs/archive", "runs/repin", "runs/terminate"),
    _rule(("get",), "runs/export"),
    _rule(("create",), "runs/import"),
    _rule(("list", "update"), "deadletters"),
)
_DECIDE = _rule(("decide",), "approvals/decide")

_KEYS = _rule(("list", "create", "update", "delete"), "apikeys")

ROLES: dict[str, tuple[Rule, ...]] = {
    "viewer": _LOOK,
    "developer": (*_LOOK, *_BUILD, _AS_TRIGGERS),
    "operator": (*_LOOK, *_START, *_KEEP_GOING, _rule(("call",), "triggers/fire")),
    "approver": (_rule(_READ, *_SEEN), _DECIDE),
    ADMIN: (*_LOOK, *_BUILD, *_KEEP_GOING, _DECIDE, _rule(_WRITE, *_POLICIES), _KEYS, _AS_ANY),
    PLATFORM_ADMIN: (
        _rule((*_READ, *_WRITE), "tenants", "platformpolicies"),
        _rule(("list", "update"), "deadletters"),
        _rule(("list", "create", "delete"), "suspensions"),
    ),
}
assert tuple(ROLES) == BUILT_IN_ROLES
