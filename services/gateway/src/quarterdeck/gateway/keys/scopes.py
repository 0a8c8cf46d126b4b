"""Scopes as text: a built-in role, or `verbs:kinds[:names]` with commas between several. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

from quarterdeck.common.authorization.roles import ROLES
from quarterdeck.common.authorization.rules import Rule
from quarterdeck.common.errors import InvalidArgument

_VERBS, _KIND = re.compile(r"[a-z]+|[*]"), re.compile(r"([a-z]+|[*])(/([a-z]+|[*]))?")
_NAME = re.compile(r"[-A-Za-z0-9_./*]{1,128}")
_HINT = 'write a role ("viewer") or verbs:kinds[:names] ("create:runs:month-end", "get,list:runs,approvals")'


def rules_of(scopes: Iterable[str]) -> tuple[Rule, ...]:
    """Returns the rules that scopes stand for. Raises InvalidArgument with the place of one that is none."""
    found: list[Rule] = []
    for place, scope in enumerate(scopes):
        found += ROLES[scope] if scope in ROLES else (_rule(scope, f"scopes[{place}]"),)
    return tuple(found)


def _rule(scope: str, field: str) -> Rule:
    parts = [part.split(",") for part in scope.split(":")]
    patterns = (_VERBS, _KIND, _NAME)
    fits = len(parts) in (2, 3) and all(
        pattern.fullmatch(word) for words, pattern in zip(parts, patterns, strict=False) for word in words
    )
    if not fits:
        raise InvalidArgument(f"{scope!r} is no scope", field=field, hint=_HINT)
    return Rule(frozenset(parts[0]), frozenset(parts[1]), tuple(parts[2]) if len(parts) == 3 else ())
