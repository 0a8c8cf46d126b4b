"""What the engine says while it is simulated: its log, and the errors of its tasks."""

from __future__ import annotations

import sys
from typing import Any

import structlog

from quarterdeck.runtime.simulation.processes import Process


def unheard(processes: list[Process]) -> list[str]:
    """Returns the errors of tasks that nobody looked at."""
    tasks: list[Any] = [task for process in processes for task in process.tasks if task.done()]
    dead = [task for task in tasks if not task.cancelled() and task._log_traceback]
    return [f"task {task.get_name()} died: {task.exception()!r}" for task in dead]


class Listening:
    """Takes in what the engine logs: an unexpected exception is a problem, the rest is for the trace.

    Args:
        trace: where everything is told that is logged, if anybody wants to know.
    """

    _BAD = frozenset({"run.failed_to_advance", "effect.failed", "bus.handler_failed"})

    def __init__(self, problems: list[str], trace: list[str] | None) -> None:
        self._problems = problems
        self._trace = trace
        self._before: dict[str, Any] = {}

    def __enter__(self) -> None:
        self._before = structlog.get_config()
        structlog.configure(processors=[self._take], cache_logger_on_first_use=False)

    def __exit__(self, *_: object) -> None:
        structlog.configure(**self._before)

    def _take(self, _logger: Any, _level: str, event: Any) -> Any:
        name = event.get("event")
        if self._trace is not None:
            self._trace.append(f"           log {dict(event)}")
        if name in self._BAD:
            error = sys.exc_info()[1]
            if getattr(error, "reason", "") != "Simulated":
                self._problems.append(f"{name} {event.get('run_id', '')}: {error!r}")
        raise structlog.DropEvent
