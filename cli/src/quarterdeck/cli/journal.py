"""A run's journal as text for people: one line an event, the interesting part of its data."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from quarterdeck.cli.table import parse_time

LONGEST = 160
Data = Mapping[str, Any]


def event_line(event: Mapping[str, Any], full: bool = False) -> str:
    """Returns an event as a line: time, sequence, type, what it says.

    Args:
        event: as REST gives it: {seq, type, at, data}.
        full: show the whole data as JSON instead of a summary.
    """
    data = event.get("data") or {}
    text = compact(data, 0) if full else summary(str(event.get("type")), data)
    moment = parse_time(event.get("at"))
    return f"{clock(moment)}  {event.get('seq') or '':>5}  {event.get('type', ''):<20}  {text}".rstrip()


def clock(moment: datetime | None) -> str:
    """Returns the local time of day."""
    return moment.astimezone().strftime("%H:%M:%S") if moment else "--:--:--"


def summary(kind: str, data: Data) -> str:
    """Returns what an event says, in one line."""
    describe = SUMMARIES.get(kind)
    return shorten(describe(data) if describe else compact(data, LONGEST))


def compact(value: Any, limit: int = LONGEST) -> str:
    """Returns JSON on one line, cut to `limit` characters when it is not zero."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(", ", ": "))
    return shorten(" ".join(text.split()), limit) if limit else text


def shorten(text: str, limit: int = LONGEST) -> str:
    """Returns `text` cut to `limit` characters with an ellipsis."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def error_text(error: Any) -> str:
    """Returns an error of a journal: its class and message, and where it happened."""
    if not isinstance(error, Mapping):
        return compact(error) if error else "failed"
    where = f" at {error['node']}" if error.get("node") else ""
    return f"{error.get('class', 'error')}{where}: {error.get('message', '')}"


def _effect_outcome(data: Data) -> str:
    value = error_text(data["error"]) if data.get("error") else compact(data.get("result"), 100)
    cost = data.get("cost")
    price = f" (${cost / 1_000_000:.4f})" if isinstance(cost, int | float) and cost else ""
    return f"{data.get('effect', '')} {data.get('status', '')}{price}: {value}"


def _message(data: Data) -> str:
    message = data.get("message")
    if not isinstance(message, Mapping):
        return compact(data)
    return f"{message.get('role', '')}: {_content(message.get('content'))}"


def _content(content: Any) -> str:
    if isinstance(content, list):
        return " ".join(_part(part) for part in content)
    return compact(content)


def _part(part: Any) -> str:
    if not isinstance(part, Mapping):
        return compact(part)
    if part.get("text"):
        return compact(part["text"])
    if part.get("name"):
        return f"[{part['name']} {compact(part.get('arguments') or part.get('input') or {}, 80)}]"
    return compact(part, 80)


def _progress(data: Data) -> str:
    failed = f", {data['failed']} failed" if data.get("failed") else ""
    return f"{data.get('step', '')}: {data.get('done', 0)} done{failed}"


def _decided(data: Data) -> str:
    if data.get("expired"):
        return f"{data.get('approval')} expired"
    comment = f": {data['comment']}" if data.get("comment") else ""
    word = "approved" if data.get("approved") else "rejected"
    return f"{data.get('approval')} {word} by {data.get('by', '')}{comment}"


def _effect_intent(data: Data) -> str:
    attempt = f" (attempt {data['attempt']})" if (data.get("attempt") or 1) > 1 else ""
    return f"{data.get('kind', '')} {_target(data)}{attempt} {compact(data.get('arguments'), 100)}"


def _target(data: Data) -> str:
    """Returns what an effect or a child is about: "ledger/book", "Agent/invoice-matcher"."""
    target = data.get("target")
    return (
        "/".join(str(part) for part in target.values()) if isinstance(target, Mapping) else str(target or "")
    )


def _timer_set(data: Data) -> str:
    due = data.get("due")
    moment = datetime.fromtimestamp(due, UTC) if isinstance(due, int | float) else parse_time(due)
    when = moment.isoformat(timespec="seconds") if moment else str(due or "")
    return " ".join(word for word in (data.get("purpose"), data.get("step"), "due", when) if word)


def _completed(data: Data) -> str:
    output = data.get("output")
    return str(data.get("step")) if output is None else f"{data.get('step')} -> {compact(output, 100)}"


SUMMARIES: dict[str, Callable[[Data], str]] = {
    "run.started": lambda data: f"{data.get('kind')}/{data.get('name')} {compact(data.get('input'), 100)}",
    "step.started": lambda data: f"{data.get('step')} ({data.get('kind', '')})",
    "effect.intent": _effect_intent,
    "effect.outcome": _effect_outcome,
    "step.retrying": lambda data: f"{data.get('step')} again after {error_text(data.get('error'))}",
    "step.completed": _completed,
    "step.failed": lambda data: f"{data.get('step')}: {error_text(data.get('error'))}",
    "timer.set": _timer_set,
    "approval.requested": lambda data: f"{data.get('approval')}: {data.get('title', '')}",
    "approval.decided": _decided,
    "children.started": lambda data: f"{_target(data)}: {data.get('count')} of {data.get('total')}",
    "child.finished": lambda data: f"{data.get('run')} {data.get('state')}",
    "children.progress": _progress,
    "children.joined": _completed,
    "message.appended": _message,
    "run.succeeded": lambda data: compact(data.get("output")),
    "run.failed": lambda data: error_text(data.get("error")),
    "run.cancelled": lambda data: error_text(data.get("error")),
    "run.timed-out": lambda data: error_text(data.get("error")),
    "run.phase": lambda data: str(data.get("phase", "")),
    "run.parked": lambda data: f"{data.get('step') or ''} {data.get('reason', '')}".strip(),
    "run.paused": lambda data: f"by {data.get('by', '')}: {data.get('reason', '')}".rstrip(": "),
    "run.resumed": lambda data: f"by {data.get('by', '')} {data.get('resolution') or ''}".rstrip(),
    "cancel.requested": lambda data: f"by {data.get('by', '')}: {data.get('reason', '')}",
    "tool.progress": lambda data: compact(data.get("message") or data),
}
