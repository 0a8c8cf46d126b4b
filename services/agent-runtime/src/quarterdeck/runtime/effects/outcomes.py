"""Outcome events, the same shape for every kind of effect. Pure."""

from __future__ import annotations

from typing import Any

from quarterdeck.runtime import events as ev
from quarterdeck.runtime.events import Event
from quarterdeck.runtime.state import Effect


def succeeded(effect: Effect, result: Any, **more: Any) -> Event:
    """The effect happened and gave `result` (or a reference to it)."""
    return Event(ev.EFFECT_OUTCOME, {"effect": effect.id, "status": "ok", "result": result, **more})


def failed(effect: Effect, status: str, kind: str, message: str, **more: Any) -> Event:
    """The effect failed.

    Args:
        status: error, denied, needs_approval, uncertain, not_done, or unavailable (nothing was
            done and it may work later).
        kind: the class of the error.
        more: goes into the error.
    """
    error = ev.error_value(kind, message, effect=effect.id, **more)
    return Event(ev.EFFECT_OUTCOME, {"effect": effect.id, "status": status, "error": error})
