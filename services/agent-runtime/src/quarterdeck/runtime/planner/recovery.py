"""What follows an error: try again, ask, check, or give up. Pure."""

from __future__ import annotations

import hashlib
from typing import Any

from quarterdeck.common import codec
from quarterdeck.runtime import events as ev
from quarterdeck.runtime.constants import DEFAULT_RETRY_ATTEMPTS, MAX_APPROVAL_BYTES, MAX_REMARK
from quarterdeck.runtime.definition import RetryRule
from quarterdeck.runtime.planner.lifecycle import timer
from quarterdeck.runtime.planner.planning import Decision, Planning, StepRefused
from quarterdeck.runtime.state import STOPPING, Step


def retry(planning: Planning, step: Step, rules: tuple[RetryRule, ...]) -> Decision | None:
    """Returns the next attempt under the first rule that names the error's class, or None."""
    error = step.error or {}
    if error.get("status") in ("rejected", "denied"):
        return None
    # What may have been done already is tried again by a rule that says so, not by one for all errors.
    unknown = error.get("status") == "uncertain"
    for rule in rules:
        if error.get("class") in rule.errors or (not unknown and (not rule.errors or "*" in rule.errors)):
            return _attempt(planning, step, rule)
    return None


def _attempt(planning: Planning, step: Step, rule: RetryRule) -> Decision | None:
    if step.attempt >= rule.attempts:
        return None
    delay = backoff(rule, planning.state.run_id, step.id, step.attempt)
    if rule.total is not None and planning.now + delay - step.began_at > rule.total:
        return None
    return again(planning, step, delay)


def again(planning: Planning, step: Step, delay: float) -> Decision:
    """Opens the step once more, now or after `delay` seconds."""
    data: dict[str, Any] = {"step": step.id, "attempt": step.attempt + 1, "error": step.error}
    if delay <= 0:
        return Decision([ev.Event(ev.STEP_RETRYING, data)])
    alarm = timer(step.id, "retry", planning.now + delay)
    return Decision([ev.Event(ev.STEP_RETRYING, {**data, "timer": alarm.data["timer"]}), alarm])


def backoff(rule: RetryRule, run_id: str, step_id: str, attempt: int) -> float:
    """Returns the seconds before the next attempt; the jitter comes from the ids, not from chance."""
    delay = min(rule.delay * rule.factor ** (attempt - 1), rule.longest)
    noise = (
        int.from_bytes(hashlib.sha256(f"{run_id}/{step_id}/{attempt}".encode()).digest()[:4], "big") / 2**32
    )
    return delay * (1 + rule.jitter * (2 * noise - 1))


# How often what may have been done, or was not done, is tried again unasked.
_UNCERTAIN = RetryRule(frozenset(), DEFAULT_RETRY_ATTEMPTS, 0.5, 2.0, 30.0, 0.1, None)
_CHOICES = "Approve to call it again, reject to give up, or resume the run with its outcome."
_CHOICES_AT_END = (
    "The run is stopping and undoes what it did. Resume it with the outcome if the call was made, "
    "reject if it was not, or approve to call it again."
)


def after_uncertainty(planning: Planning, step: Step) -> Decision | None:
    """Applies the policy for an effect whose outcome nobody knows; None: it is an ordinary failure."""
    error = step.error or {}
    if error.get("status") == "not_done":  # the check is certain: it can be done now
        return _once_more(planning, step)
    if error.get("status") != "uncertain":
        return None
    policy = error.get("policy", "ask")
    if policy == "retry":
        return _once_more(planning, step)
    if policy == "check" and error.get("check"):
        return _check(planning, step, error)
    if policy == "fail":
        return None
    return ask_about_effect(planning, step)


def _once_more(planning: Planning, step: Step) -> Decision | None:
    """Tries again: at once the first time, later and later after that, and not for ever."""
    return again(planning, step, 0) if step.attempt == 1 else _attempt(planning, step, _UNCERTAIN)


def _check(planning: Planning, step: Step, error: dict[str, Any]) -> Decision:
    params = step.params or {}
    intent = {
        "effect": planning.next_effect_id(),
        "step": step.id,
        "kind": "check",
        "target": {**params.get("target", {}), "check": error["check"]},
        "arguments": params.get("arguments"),
        "attempt": step.attempt,
        "checks": error.get("effect", ""),
    }
    return Decision([ev.Event(ev.EFFECT_INTENT, intent)])


def ask_about_effect(planning: Planning, step: Step) -> Decision:
    """Parks the step on a person: was it done, should it be tried again, or given up?"""
    params, error = step.params or {}, step.error or {}
    target = params.get("target", {})
    name = f"{target.get('server', '')}/{target.get('tool', '')}"
    choices = _CHOICES_AT_END if planning.state.phase == STOPPING else _CHOICES
    shown = {"effect": error.get("effect", ""), "tool": name, "arguments": params.get("arguments")}
    return request_approval(
        planning,
        step,
        source="effect",
        title=f"What became of {name}?",
        summary=f"{str(error.get('message', ''))[:MAX_REMARK]} {choices}",
        data=shown,
        policy="",
    )


def request_approval(
    planning: Planning,
    step: Step,
    *,
    source: str,
    title: str,
    summary: str,
    data: Any,
    policy: str,
    params: Any = None,
    editable: bool = False,
) -> Decision:
    """Asks a person. The decision is bound to the hash of what is shown.

    Raises StepRefused when that is too large for a journal, or not JSON.
    """
    _refuse_large(step, {"title": title, "summary": summary, "data": data})
    asked = {
        "approval": planning.new_id(),
        "step": step.id,
        "node": step.node,
        "source": source,
        "title": title,
        "summary": summary,
        "data": data,
        "hash": _hash(step, data),
        "policy": policy,
        "editable": editable,
        "params": params,
    }
    return Decision([ev.Event(ev.APPROVAL_REQUESTED, asked)])


def _refuse_large(step: Step, shown: dict[str, Any]) -> None:
    size = len(codec.dumps(shown))
    if size > MAX_APPROVAL_BYTES:
        message = (
            f"what the approval {step.node} shows has {size} bytes; at most {MAX_APPROVAL_BYTES}: "
            "show less, or name where the rest is"
        )
        raise StepRefused("limit", message, node=step.node)


def _hash(step: Step, data: Any) -> str:
    try:
        return codec.digest(data)
    except ValueError as error:
        raise StepRefused("validation", f"data of approval {step.node}: {error}", node=step.node) from error
