"""`RateLimit` and `RateLimit-Policy`, in the words of the IETF's draft (structured fields). Pure."""

from __future__ import annotations

import math

from quarterdeck.common.rates.allowance import WINDOW_SECONDS, Taken

POLICY_HEADER, LIMIT_HEADER = "RateLimit-Policy", "RateLimit"


def rate_headers(taken: Taken) -> dict[str, str]:
    """Returns the headers that tell a caller how its allowances stand; none if it has none.

    `q` is what there is in `w` seconds; `r` is what is left, and `t` the seconds until all is there again.
    """
    if not taken.levels:
        return {}
    policies = [(one.allowance.scope, one.allowance.per_minute) for one in taken.levels]
    standing = [(one.allowance.scope, one.remaining, math.ceil(one.reset)) for one in taken.levels]
    return {
        POLICY_HEADER: ", ".join(f'"{scope}";q={many};w={WINDOW_SECONDS}' for scope, many in policies),
        LIMIT_HEADER: ", ".join(f'"{scope}";r={left};t={reset}' for scope, left, reset in standing),
    }
