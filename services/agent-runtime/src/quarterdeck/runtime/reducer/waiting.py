"""Timers and signals, and the steps that wait for them."""

from __future__ import annotations

from typing import Any

from quarterdeck.runtime import events as ev
from quarterdeck.runtime import state as st
from quarterdeck.runtime.constants import RUN_TIMEOUT
from quarterdeck.runtime.reducer import worktime
from quarterdeck.runtime.state import RunState


def timer_set(state: RunState, data: dict[str, Any], at: float) -> None:
    """`timer.set`: a step, or the run, is told when it is due."""
    state.timers[data["timer"]] = {"step": data["step"], "purpose": data["purpose"], "due": data["due"]}
    if data["purpose"] == RUN_TIMEOUT:
        worktime.timer_set(state)
    step = state.steps.get(data["step"])
    if step is None:
        return
    step.timers.append(data["timer"])
    if data["purpose"] == "wait":
        step.status = st.WAITING


def timer_fired(state: RunState, data: dict[str, Any], at: float) -> None:
    """`timer.fired`: a retry, a wait that is over, a timeout; nothing if the step has gone on."""
    timer = state.timers.pop(data["timer"], None)
    if timer is None:
        return
    step = state.steps.get(timer["step"])
    purpose = timer["purpose"]
    if step is None:
        if purpose == RUN_TIMEOUT and state.stop is None and not worktime.has_left(state, at):
            state.stop = ev.error_value("timeout", "the run took longer than its timeout", run=True)
        return
    step.timers.remove(data["timer"])
    if purpose == "retry" and step.status in (st.DELAYED, st.PARKED):
        step.status, step.reason = st.OPEN, ""
    elif purpose == "wait" and step.status == st.WAITING:
        step.status = st.DONE
    elif purpose == "timeout" and step.status not in (st.DONE, st.FAILED):
        step.status = st.FAILED
        step.error = ev.error_value("timeout", f"{step.node} took longer than its timeout", node=step.node)


def signal_received(state: RunState, data: dict[str, Any], at: float) -> None:
    """`signal.received`: kept until a step takes it."""
    state.signals.setdefault(data["name"], []).append(data.get("payload"))


def signal_awaited(state: RunState, data: dict[str, Any], at: float) -> None:
    """`signal.awaited`: a step listens."""
    step = state.steps[data["step"]]
    step.status, step.params = st.WAITING, {"signal": data["name"]}


def signal_consumed(state: RunState, data: dict[str, Any], at: float) -> None:
    """`signal.consumed`: the oldest one becomes the output of its step."""
    waiting = state.signals[data["name"]]
    payload = waiting.pop(0)
    if not waiting:
        del state.signals[data["name"]]
    step = state.steps[data["step"]]
    step.status, step.output = st.DONE, payload
