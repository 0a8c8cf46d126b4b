"""Throw-away PostgreSQL, Redis and RabbitMQ for tests: free loopback ports, data in a temporary directory.

Plain standard library, so that `make services` needs no virtual environment.
"""

from __future__ import annotations

from hack.services.postgres import Postgres
from hack.services.rabbitmq import RabbitMQ
from hack.services.redis import Redis
from hack.services.server import Server

KINDS: dict[str, type[Server]] = {kind.name: kind for kind in (Postgres, Redis, RabbitMQ)}

__all__ = ["KINDS", "Postgres", "RabbitMQ", "Redis", "Server"]
