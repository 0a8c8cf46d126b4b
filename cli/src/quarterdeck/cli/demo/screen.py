"""The demo's progress on the screen: a live picture for a person, plain lines for a pipe."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import Any

from quarterdeck.cli.demo.progress import Progress, Standing, Step
from quarterdeck.cli.output import is_terminal, say
from quarterdeck.cli.table import duration

LINE_PERIOD = 2.0
BAR = 30


class PlainScreen:
    """Prints a line for each step that ends, and one every two seconds in between."""

    def __init__(self) -> None:
        self._printed: dict[str, str] = {}
        self._last = 0.0

    def show(self, progress: Progress, standing: Standing, seconds: float, last: bool = False) -> None:
        """Prints what is new; all of it when it is the last time."""
        now = time.monotonic()
        due = last or now - self._last >= LINE_PERIOD
        for name, line in zip(progress.steps, progress.lines(), strict=True):
            ended = progress.steps[name].ended
            if self._printed.get(name) != line and (ended or due):
                self._printed[name] = line
                self._last = now
                asking = f"  ({standing.asking} wait for a person)" if standing.asking and not ended else ""
                say(f"  {seconds:6.1f} s  {line}{asking}")


class LiveScreen:
    """Draws the steps with bars in place."""

    def __init__(self, live: Any) -> None:
        self._live = live

    def show(self, progress: Progress, standing: Standing, seconds: float, last: bool = False) -> None:
        """Draws the present state."""
        from rich.table import Table
        from rich.text import Text

        table = Table.grid(padding=(0, 2))
        for step in progress.steps.values():
            table.add_row(Text(_mark(step)), Text(step.node), Text(_bar(step)), Text(_counts(step)))
        asking = f"{standing.asking} wait for a person" if standing.asking else ""
        table.add_row("", Text(duration(seconds), style="dim"), Text(asking), "")
        self._live.update(table, refresh=True)


def _mark(step: Step) -> str:
    if step.error:
        return "x"
    return "✓" if step.ended else "…"


def _bar(step: Step) -> str:
    if not step.total:
        return ""
    filled = BAR * (step.done + step.failed) // step.total
    return "█" * filled + "░" * (BAR - filled)


def _counts(step: Step) -> str:
    if step.error or not step.total:
        return step.error
    failed = f", {step.failed} failed" if step.failed else ""
    return f"{step.done} of {step.total}{failed}"


@contextlib.contextmanager
def open_screen() -> Iterator[PlainScreen | LiveScreen]:
    """Yields the screen that fits stdout."""
    if not is_terminal():
        yield PlainScreen()
        return
    from rich.live import Live

    with Live(auto_refresh=False, transient=False) as live:
        yield LiveScreen(live)
