"""Wires what counts requests."""

from __future__ import annotations

from dataclasses import dataclass

from prometheus_client import Counter

from quarterdeck.common.rates.shared import SharedBuckets
from quarterdeck.common.service import Platform
from quarterdeck.gateway.authentication import LOCAL_ADMIN
from quarterdeck.gateway.config import GatewaySettings
from quarterdeck.gateway.edges.addresses import Network
from quarterdeck.gateway.edges.limits import Limits
from quarterdeck.gateway.edges.proofs import FailedProofs


@dataclass(frozen=True, slots=True)
class Rates:
    """What both doors ask."""

    limits: Limits
    proofs: FailedProofs
    trusted: tuple[Network, ...]


def open_rates(platform: Platform, settings: GatewaySettings) -> Rates:
    """Returns the counters of one gateway; with a Redis they are those of all gateways."""
    refused = Counter(
        "rate_limited_total",
        "Requests refused since there were too many in a minute.",
        ["scope"],
        registry=platform.telemetry.registry,
    )
    buckets = SharedBuckets(platform.cache)

    def count(scope: str) -> None:
        refused.labels(scope).inc()

    limits = Limits(
        buckets, settings.requests_per_minute, settings.tenant_requests_per_minute, LOCAL_ADMIN, count
    )
    # An address that everybody on this machine has in common is nobody's.
    failures = 0 if settings.on_loopback else settings.failures_per_minute
    return Rates(limits, FailedProofs(buckets, failures, count), settings.trusted_proxies)
