"""Metrics of the bus."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge


class BusInstruments:
    """Counters of one service's bus, in its own registry."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        where = registry or CollectorRegistry()
        self.published = Counter(
            "bus_published_total", "Messages that were to be handed over.", ["topic"], registry=where
        )
        self.confirmed = Counter(
            "bus_confirmed_total", "Messages that the bus took for good.", ["topic"], registry=where
        )
        self.returned = Counter(
            "bus_returned_total", "Messages for which there was no queue.", ["topic"], registry=where
        )
        self.refused = Counter(
            "bus_refused_total", "Messages that the bus did not take.", ["topic", "reason"], registry=where
        )
        self.handled = Counter(
            "bus_handled_total", "Deliveries: done, failed, foreign.", ["topic", "outcome"], registry=where
        )
        self.dead = Counter(
            "bus_dead_total", "Messages that became dead letters here.", ["topic"], registry=where
        )
        self.dead_letters = Gauge(
            "bus_dead_letters", "Dead letters at the last health check.", registry=where
        )
        self.blocked = Gauge(
            "bus_blocked", "1 while the broker takes no messages from this service.", registry=where
        )
        self.reconnects = Counter("bus_reconnects_total", "Connections that were lost.", registry=where)
