"""What keeps a pod from serving, read from its status. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from quarterdeck.controller.objects import Object, is_deleting
from quarterdeck.controller.writing.conditions import find

IMAGE_PULL_FAILED = "ImagePullFailed"
SECRET_MISSING = "SecretMissing"
CONFIG_INVALID = "ConfigInvalid"
START_FAILED = "StartFailed"
OOM_KILLED = "OOMKilled"
CRASH_LOOPING = "CrashLooping"
UNSCHEDULABLE = "Unschedulable"
EVICTED = "Evicted"
NOT_ANSWERING = "NotAnswering"

_PULLING = frozenset(
    {"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError"}
)
_STARTING = frozenset({"CreateContainerError", "RunContainerError", "StartError", "ContainerCannotRun"})
_LONGEST_WORDS = 500


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a pod does not serve: a word for programs and a sentence for people."""

    reason: str
    message: str


def worst(pods: Iterable[Object]) -> Trouble | None:
    """Returns the trouble that explains most of pods that do not serve; None if there is none."""
    found = [trouble for pod in pods if not is_deleting(pod) for trouble in _of_pod(pod)]
    return min(found, key=lambda trouble: _ORDER.index(trouble.reason), default=None)


# What its author can mend comes before what may pass by itself.
_ORDER = (
    IMAGE_PULL_FAILED,
    SECRET_MISSING,
    CONFIG_INVALID,
    START_FAILED,
    OOM_KILLED,
    CRASH_LOOPING,
    EVICTED,
    UNSCHEDULABLE,
    NOT_ANSWERING,
)


def _of_pod(pod: Object) -> Iterator[Trouble]:
    status = pod.get("status") or {}
    for condition in status.get("conditions") or []:
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            yield Trouble(UNSCHEDULABLE, f"no node takes the pod: {condition.get('message', '')}")
    if status.get("reason") == "Evicted":
        yield Trouble(EVICTED, f"the node put the pod out: {status.get('message', '')}")
    for container in _containers(status):
        trouble = _of_container(container)
        if trouble is not None:
            yield trouble
        elif _fell_silent(container, status):
            yield Trouble(NOT_ANSWERING, "the server runs and answers the protocol's own probe no more")


def _containers(status: dict[str, Any]) -> list[dict[str, Any]]:
    return [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]


def _of_container(container: dict[str, Any]) -> Trouble | None:
    state = container.get("state") or {}
    if waiting := state.get("waiting"):
        return _of_waiting(container, waiting)
    ended = state.get("terminated")
    if ended and ended.get("exitCode") != 0:
        return _of_end(container, ended)
    if "running" in state and not container.get("ready") and container.get("restartCount"):
        return _of_end(container, (container.get("lastState") or {}).get("terminated") or {})
    return None


def _fell_silent(container: dict[str, Any], status: dict[str, Any]) -> bool:
    """True if a container that runs was ready once, and is no more: before that, it is only starting."""
    running = (container.get("state") or {}).get("running") or {}
    ready = find(status.get("conditions") or [], "Ready") or {}
    if container.get("ready") or ready.get("status") != "False":
        return False
    # The condition is as old as the pod until it has been true.
    return str(ready.get("lastTransitionTime") or "") > str(running.get("startedAt") or "~")


def _of_waiting(container: dict[str, Any], waiting: dict[str, Any]) -> Trouble | None:
    why, said = str(waiting.get("reason", "")), str(waiting.get("message") or "")[:_LONGEST_WORDS]
    if why in _PULLING:
        return Trouble(IMAGE_PULL_FAILED, f"image {container.get('image')!r}: {said or why}")
    if why == "CreateContainerConfigError":
        missing = "secret" in said.lower()
        return Trouble(SECRET_MISSING if missing else CONFIG_INVALID, said or why)
    if why in _STARTING:
        return Trouble(START_FAILED, said or why)
    if why == "CrashLoopBackOff":
        return _of_end(container, (container.get("lastState") or {}).get("terminated") or {})
    return None


def _of_end(container: dict[str, Any], ended: dict[str, Any]) -> Trouble:
    times = int(container.get("restartCount") or 0)
    often = f", {times} restarts so far" if times else ""
    if ended.get("reason") == "OOMKilled":
        return Trouble(OOM_KILLED, f"it ran out of memory{often}: raise container.resources.limits.memory")
    if ended.get("reason") in _STARTING:
        return Trouble(START_FAILED, str(ended.get("message") or ended["reason"])[:_LONGEST_WORDS])
    how = f"ended by signal {ended['signal']}" if ended.get("signal") else _status_words(ended)
    words = str(ended.get("message") or "").strip()[-_LONGEST_WORDS:]
    return Trouble(CRASH_LOOPING, f"it {how}{often}" + (f"; its last words: {words}" if words else ""))


def _status_words(ended: dict[str, Any]) -> str:
    return f"ended with status {ended['exitCode']}" if "exitCode" in ended else "ended"
