"""Where in the engine a fault struck: the place at which a coroutine of it was suspended."""

from __future__ import annotations

import ast
import asyncio
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

# File, function and line, such as runtime/execution/worker.py:_claim_loop:98.
Point = str

_RUNTIME = Path(__file__).resolve().parent.parent
_ROOTS = tuple(f"/quarterdeck/{part}/" for part in ("runtime", "common", "llm"))
# What runs in a worker that advances runs, below the runtime's folder.
WORKER_FILES = (
    "effects/checks.py",
    "effects/memory.py",
    "effects/models.py",
    "effects/sealing.py",
    "effects/tool_directory.py",
    "effects/tools.py",
    "engine.py",
    "execution/appending.py",
    "execution/asking.py",
    "execution/committing.py",
    "execution/executor.py",
    "execution/failing.py",
    "execution/joining.py",
    "execution/loading.py",
    "execution/performing.py",
    "execution/reserving.py",
    "execution/sessions.py",
    "execution/storing.py",
    "execution/timers.py",
    "execution/toolbox.py",
    "execution/worker.py",
    "operations/forking.py",
    "operations/repinning.py",
    "operations/rerunning.py",
    "operations/retrying.py",
    "operations/terminating.py",
    "starting/accepting.py",
    "starting/beginning.py",
    "starting/newborn.py",
    "triggers/due.py",
    "triggers/firing.py",
)
_NOT_ENGINE = ("/runtime/simulation/", "/runtime/testing/")
_named: dict[CodeType, str] = {}
# (code, place in it): the point, empty if it is no place of the engine.
_points: dict[tuple[CodeType, int], Point] = {}


def _name(code: CodeType) -> str:
    """Returns "folder/file.py:function" for code of the engine, an empty string for any other."""
    name = _named.get(code)
    if name is None:
        path = code.co_filename
        root = next((root for root in _ROOTS if root in path), "")
        ours = root and not any(part in path for part in _NOT_ENGINE)
        place = path.rpartition(root)[2] if ours else ""
        name = _named[code] = f"{root.split('/')[2]}/{place}:{code.co_name}" if ours else ""
    return name


def _point(frame: FrameType) -> Point:
    """Returns where a frame of the engine stands, an empty string for any other."""
    key = frame.f_code, frame.f_lasti
    point = _points.get(key)
    if point is None:
        name = _name(frame.f_code)
        point = _points[key] = f"{name}:{frame.f_lineno}" if name else ""
    return point


def chain_of(task: asyncio.Task[Any]) -> list[Point]:
    """Returns the engine's places in a suspended task, the innermost last."""
    found: list[Point] = []
    inner: Any = task.get_coro()
    while inner is not None and hasattr(inner, "cr_frame"):
        if not inner.cr_suspended:  # it has not begun
            return []
        if point := _point(inner.cr_frame):
            found.append(point)
        inner = inner.cr_await
    return found


def point_of(task: asyncio.Task[Any]) -> Point | None:
    """Returns where the engine's code of a task is suspended, None for a task without any."""
    chain = chain_of(task)
    return chain[-1] if chain else None


def points_of(tasks: Iterable[asyncio.Task[Any]]) -> set[Point]:
    """Returns where any of these tasks is suspended."""
    return {point for task in tasks if (point := point_of(task)) is not None}


def point_of_caller() -> Point | None:
    """Returns the engine's place that asks a simulated service for something just now."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if point := _point(frame):
            return point
        frame = frame.f_back
    return None


@dataclass(slots=True)
class Coverage:
    """How often each fault struck at each place. `passed`: places that were on the way to one."""

    struck: Counter[tuple[str, Point]] = field(default_factory=Counter)
    reached: Counter[Point] = field(default_factory=Counter)
    passed: set[Point] = field(default_factory=set)

    def strike(self, fault: str, points: Iterable[Point]) -> None:
        """Counts one fault at each of the places."""
        for point in points:
            self.struck[fault, point] += 1

    def add(self, other: Coverage) -> None:
        """Adds what another one counted."""
        self.struck.update(other.struck)
        self.reached.update(other.reached)
        self.passed |= other.passed


def awaits_of(name: str) -> Iterator[tuple[str, int, int]]:
    """Yields (file:function, first line, last line) of every await in a file of the engine."""
    for function in ast.walk(ast.parse((_RUNTIME / name).read_text())):
        if isinstance(function, ast.AsyncFunctionDef):
            for node in ast.walk(function):
                if isinstance(node, ast.Await):
                    yield f"runtime/{name}:{function.name}", node.lineno, node.end_lineno or node.lineno


def never_suspended(coverage: Coverage) -> list[Point]:
    """Returns the awaits of what a worker runs at which no coroutine was ever suspended."""
    passed: dict[str, set[int]] = {}
    for point in coverage.passed:
        place, _, line = point.rpartition(":")
        passed.setdefault(place, set()).add(int(line))
    written = [place for name in WORKER_FILES for place in awaits_of(name)]
    return [
        f"{name}:{first}"
        for name, first, last in sorted(set(written))
        if not any(first <= line <= last for line in passed.get(name, ()))
    ]
