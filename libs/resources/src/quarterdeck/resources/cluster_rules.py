"""Rules of an AccessRole in the words of Kubernetes, as far as it has words for them."""

from collections.abc import Iterator, Mapping
from typing import Any

from quarterdeck.resources.access import AccessRole, AccessRoleSpec, AccessRule
from quarterdeck.resources.constants import GROUP
from quarterdeck.resources.errors import FieldError

ANY = "*"
# Who may write these gives away every role of the tenant.
_GIVING_KINDS = frozenset({"accessroles", "accessbindings"})
_GIVING_VERBS = frozenset({"create", "update", ANY})


def inexpressible(role: AccessRole) -> Iterator[FieldError]:
    """Return what a cluster's role cannot say, or must not; the role allows nothing there then."""
    for index, rule in enumerate(role.spec.rules):
        path = f"spec.rules[{index}]"
        for at, name in enumerate(rule.names):
            if ANY in name:
                yield FieldError(f"{path}.names[{at}]", "a cluster's roles know no patterns of names")
        for at, kind in enumerate(rule.kinds):
            if kind.endswith("/*"):
                yield FieldError(f"{path}.kinds[{at}]", f"a cluster's roles know no {kind!r}: name each")
        if _gives(rule):
            hint = f"bind the built-in role admin, or allow {ANY!r} on {ANY!r}"
            yield FieldError(path, "roles are given away in a cluster by who has all of them", hint)


def rules_in_cluster(spec: AccessRoleSpec) -> list[dict[str, Any]]:
    """Return the rules as those of a Role of Kubernetes; only for what is all expressible."""
    return [dict(_rule(rule)) for rule in spec.rules]


def _gives(rule: AccessRule) -> bool:
    """Tell whether holders could give themselves more: not if they may do everything anyway."""
    kinds, verbs = set(rule.kinds), set(rule.verbs)
    everything = ANY in kinds and ANY in verbs and not rule.names
    return bool(kinds & {*_GIVING_KINDS, ANY} and verbs & _GIVING_VERBS) and not everything


def _rule(rule: AccessRule) -> Mapping[str, Any]:
    # An apply is a patch there.
    verbs = [*rule.verbs, *(["patch"] if "update" in rule.verbs else [])]
    names = {"resourceNames": list(rule.names)} if rule.names else {}
    return {"apiGroups": [GROUP], "resources": list(rule.kinds), **names, "verbs": verbs}
