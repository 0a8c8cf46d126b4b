"""The runtime's metrics, under the names the platform's dashboards know."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)


class Instruments:
    """Counters of one runtime."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.clock_jumps = Counter(
            "clock_jumps_total",
            "Corrections of this worker's clock by more than it may be off.",
            registry=registry,
        )
        self.triggers_denied = Counter(
            "triggers_denied_total",
            "Firings of triggers whose account might not start their target.",
            registry=registry,
        )
        self.agents = Counter(
            "agent_execution_total", "Agent runs that ended.", ["agent_name", "status"], registry=registry
        )
        self.agent_seconds = Histogram(
            "agent_execution_duration_seconds",
            "Time from start to end of agent runs.",
            ["agent_name"],
            registry=registry,
            buckets=_SECONDS,
        )
        self.agent_cost = Counter(
            "agent_cost_usd_total", "Cost of model calls in US dollars.", ["agent_name"], registry=registry
        )
        self.agent_confidence = Histogram(
            "agent_confidence_score",
            "Confidence that agents put into their answers.",
            ["agent_name"],
            registry=registry,
            buckets=(0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0),
        )
        self.workflows = Counter(
            "workflow_execution_total",
            "Workflow runs that ended.",
            ["workflow_name", "status"],
            registry=registry,
        )
        self.held = Gauge("runtime_runs_held", "Runs that this worker is advancing.", registry=registry)
        self.events = Counter("runtime_journal_events_total", "Journal entries appended.", registry=registry)
        self.commits = Counter("runtime_commits_total", "Appends, each durable.", ["fate"], registry=registry)
        self.session_hits = Counter(
            "runtime_session_cache_hit", "Turns of sessions that the cache had.", registry=registry
        )
        self.session_misses = Counter(
            "runtime_session_cache_miss", "Turns of sessions read from the database.", registry=registry
        )
        self.live_sent = Counter(
            "runtime_live_events_sent_total", "Events sent to other processes' streams.", registry=registry
        )
        self.live_heard = Counter(
            "runtime_live_events_heard_total", "Events of other processes' runs.", registry=registry
        )
        self.live_dropped = Counter(
            "runtime_live_events_dropped_total",
            "Events that found no room on the way to other processes.",
            registry=registry,
        )
        self.quarantined = Counter("runtime_runs_quarantined_total", "Runs set aside.", registry=registry)
        self.timer_lag = Histogram(
            "runtime_timer_lag_seconds", "How late timers fired.", registry=registry, buckets=_SECONDS
        )

    def run_ended(
        self, kind: str, name: str, outcome: str, seconds: float, cost: int, output: object
    ) -> None:
        """Counts a run that is over. `cost` in millionths of a US dollar."""
        if kind != "Agent":
            self.workflows.labels(name, outcome).inc()
            return
        self.agents.labels(name, outcome).inc()
        self.agent_seconds.labels(name).observe(seconds)
        self.agent_cost.labels(name).inc(cost / 1e6)
        confidence = output.get("confidence") if isinstance(output, dict) else None
        if isinstance(confidence, int | float):
            self.agent_confidence.labels(name).observe(confidence)
