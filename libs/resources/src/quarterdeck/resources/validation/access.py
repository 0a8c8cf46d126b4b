"""The rules of an AccessRole speak of what there is."""

from collections.abc import Iterator
from functools import cache

from quarterdeck.resources.access import AccessRole
from quarterdeck.resources.errors import FieldError
from quarterdeck.resources.field_errors import closest

ANY = "*"

# What rules speak of beside the kinds; a test compares them with what roles and calls ask about.
BESIDE_KINDS = (
    "apikeys",
    "approvals",
    "approvals/decide",
    "artifacts",
    "deadletters",
    "events",
    "memories",
    "memories/save",
    "memories/search",
    "models",
    "models/call",
    "runs",
    "runs/archive",
    "runs/cancel",
    "runs/effects",
    "runs/events",
    "runs/export",
    "runs/import",
    "runs/pause",
    "runs/repin",
    "runs/rerun",
    "runs/resume",
    "runs/signal",
    "runs/terminate",
    "serviceaccounts",
    "suspensions",
    "tools",
    "tools/call",
    "triggers/fire",
)


def known_kinds(role: AccessRole) -> Iterator[FieldError]:
    """Each kind of a rule, or part of one, is there: what allows nothing is a mistake."""
    for i, rule in enumerate(role.spec.rules):
        for j, kind in enumerate(rule.kinds):
            if not is_known(kind):
                hint = closest(kind, sorted(_known())) or "see docs/security.md"
                yield FieldError(f"spec.rules[{i}].kinds[{j}]", f"there is nothing called {kind!r}", hint)


def is_known(pattern: str) -> bool:
    """Tell whether a kind, or one with `*` for a half of it, is one that can be asked about."""
    plural, slash, sub = pattern.partition("/")
    if ANY not in (plural, sub):
        return pattern in _known()
    halves = (kind.partition("/") for kind in _known())
    return any(
        plural in (ANY, first) and (not slash or (middle and sub in (ANY, last)))
        for first, middle, last in halves
    )


@cache
def _known() -> frozenset[str]:
    from quarterdeck.resources.kinds import KINDS

    return frozenset(BESIDE_KINDS) | {info.plural for info in KINDS.values()}
