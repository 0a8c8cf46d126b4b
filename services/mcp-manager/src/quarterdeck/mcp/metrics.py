"""What can be counted about calls."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram

from quarterdeck.mcp.outcome import Outcome

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60)


class CallMetrics:
    """Counts calls by server and outcome, and the time that servers took."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._calls = Counter(
            "mcp_tool_calls_total", "Tool calls that ended.", ["server", "status"], registry=registry
        )
        self._seconds = Histogram(
            "mcp_tool_call_seconds",
            "Time inside the tool server.",
            ["server"],
            registry=registry,
            buckets=_BUCKETS,
        )

    def note(self, server: str, outcome: Outcome) -> None:
        """Counts one call."""
        self._calls.labels(server, outcome.status.value).inc()
        if outcome.answered:
            self._seconds.labels(server).observe(outcome.seconds)
