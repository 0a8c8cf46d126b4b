"""Wires the keys."""

from __future__ import annotations

from prometheus_client import Counter

from quarterdeck.common.database import Database
from quarterdeck.common.service import Platform
from quarterdeck.common.tenants import TenantDirectory
from quarterdeck.gateway.config import GatewaySettings
from quarterdeck.gateway.constants import KEYS_SECRET_FILE
from quarterdeck.gateway.keys.keyring import Keyring
from quarterdeck.gateway.keys.secret import pepper_of


def open_pepper(platform: Platform, settings: GatewaySettings) -> bytes:
    """Returns the secret of this platform's gateways. Raises Unavailable if its file cannot be used."""
    return pepper_of(settings.keys_secret_file or platform.settings.data_dir.absolute() / KEYS_SECRET_FILE)


def open_keyring(platform: Platform, database: Database, pepper: bytes) -> Keyring:
    """Returns the keys of the platform; their last uses are written at the end, too."""
    refused = Counter(
        "api_keys_refused_total",
        "API keys that let nobody in.",
        ["why"],
        registry=platform.telemetry.registry,
    )
    tenants = TenantDirectory(platform.peer("registry"))
    ring = Keyring(database, tenants, pepper, lambda why: refused.labels(why).inc(), platform.clock.now)
    platform.closing.append(ring.flush)
    return ring
