"""Service accounts of a tenant: whom runs act for that no person starts. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from quarterdeck.common.authorization.grants import Grant
from quarterdeck.common.authorization.roles import DEFAULT_ACCOUNT
from quarterdeck.common.authorization.rules import Rule
from quarterdeck.common.errors import InvalidArgument
from quarterdeck.common.identity import Principal

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_ALL = "system:serviceaccounts"


def account_of(spec: Mapping[str, Any]) -> str:
    """Returns the name of the account that a Trigger's runs act for."""
    return str(spec.get("serviceAccount") or DEFAULT_ACCOUNT)


def account_principal(space: str, name: str) -> Principal:
    """Returns an account, named as Kubernetes names its own.

    Args:
        space: the tenant, or in a cluster its namespace.

    Raises:
        InvalidArgument: that is no name of an account.
    """
    if not _NAME.fullmatch(name):
        raise InvalidArgument(
            f"{name[:64]!r} is no name of a service account",
            field="spec.serviceAccount",
            hint="lower-case letters, digits and dashes: the account of that name in the trigger's tenant",
        )
    groups = (_ALL, f"{_ALL}:{space}", "system:authenticated")
    return Principal(f"system:serviceaccount:{space}:{name}", groups)


def of_default_account(tenant: str) -> Grant:
    """Returns what a tenant's default account may by itself: start runs in it."""
    subject = account_principal(tenant, DEFAULT_ACCOUNT).subject
    rule = Rule(frozenset({"create"}), frozenset({"runs"}))
    return Grant("starter", "the tenant's own account", (rule,), tenant, frozenset({subject}))
