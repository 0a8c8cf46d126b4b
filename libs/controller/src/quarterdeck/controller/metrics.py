"""The instruments of queues and controllers, under the names that Kubernetes dashboards know."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_SECONDS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 60)


class ControllerMetrics:
    """Instruments that all controllers of a service share; made once for a registry.

    The label `name` is a queue's, `controller` a controller's; `result` is `success`,
    `requeue_after` or `error`.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self.depth = Gauge("workqueue_depth", "Keys that wait for a worker.", ["name"], registry=registry)
        self.adds = Counter("workqueue_adds_total", "Keys put into the queue.", ["name"], registry=registry)
        self.retries = Counter(
            "workqueue_retries_total", "Keys put back after a failure.", ["name"], registry=registry
        )
        self.queue_seconds = Histogram(
            "workqueue_queue_duration_seconds",
            "Time from a key's entry until a worker took it.",
            ["name"],
            registry=registry,
            buckets=_SECONDS,
        )
        self.work_seconds = Histogram(
            "workqueue_work_duration_seconds",
            "Time that a worker spent on a key.",
            ["name"],
            registry=registry,
            buckets=_SECONDS,
        )
        self.unfinished = Gauge(
            "workqueue_unfinished_work_seconds",
            "Seconds that keys have been worked on which are not done yet, in sum.",
            ["name"],
            registry=registry,
        )
        self.longest = Gauge(
            "workqueue_longest_running_processor_seconds",
            "Seconds that the longest of them has been worked on.",
            ["name"],
            registry=registry,
        )
        self.reconciles = Counter(
            "controller_runtime_reconcile_total",
            "Reconciles by how they ended.",
            ["controller", "result"],
            registry=registry,
        )
        self.active = Gauge(
            "controller_runtime_active_workers",
            "Workers that reconcile right now.",
            ["controller"],
            registry=registry,
        )
        self.errors = Counter(
            "controller_runtime_reconcile_errors_total",
            "Reconciles that failed or took too long.",
            ["controller"],
            registry=registry,
        )
        self.reconcile_seconds = Histogram(
            "controller_runtime_reconcile_time_seconds",
            "Length of a reconcile.",
            ["controller"],
            registry=registry,
            buckets=_SECONDS,
        )
        self.workers = Gauge(
            "controller_runtime_max_concurrent_reconciles",
            "Keys that may be reconciled at a time.",
            ["controller"],
            registry=registry,
        )


class ClientMetrics:
    """Instruments of requests to the API server; made once for a registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.requests = Counter(
            "rest_client_requests_total",
            "Requests by status code and method; a watch counts when it is opened.",
            ["code", "method"],
            registry=registry,
        )


class LeaderMetrics:
    """Whether this process leads; made once for a registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.leading = Gauge(
            "leader_election_master_status",
            "1 while this process holds the lease, else 0.",
            ["name"],
            registry=registry,
        )


class InformerMetrics:
    """Instruments of lists, watches and what they keep; made once for a registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.lists = Counter("reflector_lists_total", "Lists begun.", ["name"], registry=registry)
        self.watches = Counter("reflector_watches_total", "Watches opened.", ["name"], registry=registry)
        self.items = Gauge("reflector_items", "Objects in the cache.", ["name"], registry=registry)
