"""Who leads: a decision over a Lease as it was read and a clock that only grows.

The times written in a Lease are for people. No clock of another machine is trusted: a lease counts as expired
once *we* have seen it unchanged for as long as it lasts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from quarterdeck.controller.objects import Object, version_of

LEASE_SECONDS = 15.0
RENEW_SECONDS = 10.0
RETRY_SECONDS = 2.0
# Waits are up to so much longer, by chance, so that rivals do not ask in step.
JITTER = 0.2


@dataclass(frozen=True, slots=True)
class Terms:
    """How long a lease holds, in seconds.

    Attributes:
        lease: others may take it when it was not renewed for so long.
        renew: its holder stops acting when it could not renew it for so long; less than `lease`.
        retry: between two tries to get or renew it.
    """

    lease: float = LEASE_SECONDS
    renew: float = RENEW_SECONDS
    retry: float = RETRY_SECONDS

    def __post_init__(self) -> None:
        if not self.lease > self.renew > self.retry * (1 + JITTER) > 0:
            raise ValueError(
                "a lease must last longer than its renewal may take, and that longer than a retry"
            )


@dataclass(frozen=True, slots=True)
class Observed:
    """A state of the lease, and when we saw it first.

    Attributes:
        version: its resource version; every renewal makes a new one.
        holder: empty if it was released.
        seconds: for which its holder holds it.
        at: by our clock that only grows.
    """

    version: str
    holder: str
    seconds: float
    at: float


def observe(lease: Object, before: Observed | None, now: float) -> Observed:
    """Notes what was read, keeping the time at which this state was first seen."""
    version = version_of(lease)
    if before is not None and before.version == version:
        return before
    spec = lease.get("spec") or {}
    seconds = float(spec.get("leaseDurationSeconds") or LEASE_SECONDS)
    return Observed(version, str(spec.get("holderIdentity") or ""), seconds, now)


def may_take(observed: Observed, me: str, now: float) -> bool:
    """True if the lease is ours, nobody's, or its holder let it expire before our eyes."""
    return observed.holder in {"", me} or now >= observed.at + observed.seconds


def claim(spec: dict[str, Any], me: str, terms: Terms, wall: str) -> dict[str, Any]:
    """Returns the spec of a lease that `me` takes or renews.

    Args:
        spec: as it was read; empty for a new lease.
        wall: the time to show to people, RFC 3339 with microseconds.
    """
    renewing = spec.get("holderIdentity") == me
    transitions = int(spec.get("leaseTransitions") or 0) + (1 if spec and not renewing else 0)
    return spec | {
        "holderIdentity": me,
        "leaseDurationSeconds": max(1, round(terms.lease)),
        "acquireTime": spec.get("acquireTime") if renewing else wall,
        "renewTime": wall,
        "leaseTransitions": transitions,
    }


def release(spec: dict[str, Any], wall: str) -> dict[str, Any]:
    """Returns the spec of a lease that its holder gives back: anybody may take it at once."""
    return spec | {"holderIdentity": "", "leaseDurationSeconds": 1, "renewTime": wall}
