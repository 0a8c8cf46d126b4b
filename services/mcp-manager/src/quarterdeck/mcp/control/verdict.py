"""From a Deployment and its pods to the conditions of an MCPServer. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from quarterdeck.controller.objects import Object, annotations_of, metadata
from quarterdeck.controller.writing.conditions import Condition, find
from quarterdeck.mcp.control import troubles
from quarterdeck.mcp.control.awaited import awaited
from quarterdeck.mcp.control.troubles import Trouble
from quarterdeck.mcp.pods.names import TEMPLATE

READY, PROGRESSING = "Ready", "Progressing"

AVAILABLE = "Available"
ASLEEP = "Asleep"
STARTING = "Starting"
ROLLING_OUT = "RollingOut"
COMPLETE = "Complete"
QUOTA_EXCEEDED = "QuotaExceeded"
PODS_REFUSED = "PodsRefused"
NO_CONTAINER = "NoContainer"
BEING_DELETED = "BeingDeleted"
SECRET_UNREADABLE = "SecretUnreadable"

_TOOL = "tool"


def conditions(
    deployment: Object | None, pods: Sequence[Object], missing_secret: str = ""
) -> list[Condition]:
    """Returns how a server is, as far as its pods say.

    Args:
        deployment: the one whose pods serve; None if it is not there yet.
        pods: all that belong to it.
        missing_secret: which Secret, or key of one, is not there; empty if none is known to be missing.
    """
    missing = Trouble(troubles.SECRET_MISSING, missing_secret) if missing_secret else None
    present = _of_present_spec(deployment, pods)
    trouble = missing or _refused(deployment) or troubles.worst(present)
    return [_ready(deployment, trouble, awaited(present)), _progressing(deployment, trouble)]


def refusal(reason: str, message: str) -> list[Condition]:
    """Returns the conditions of a server for which nothing is made."""
    return [Condition(READY, False, reason, message), Condition(PROGRESSING, False, reason, message)]


def unreadable(found: Sequence[Condition], denied: str) -> list[Condition]:
    """Returns what is said of a server whose Secrets may not be read: its pods go on, none are made."""
    ready = [one for one in found if one.type == READY and one.status]
    return [
        *(ready or [Condition(READY, False, SECRET_UNREADABLE, denied)]),
        Condition(PROGRESSING, False, SECRET_UNREADABLE, denied),
    ]


def being_deleted(found: Sequence[Condition], held: str) -> list[Condition]:
    """Returns what is said of a server when it, or something of it, is being deleted and does not go.

    Its pods may serve on; nothing moves until what is held is gone, and is made anew if the server is not.
    """
    ready = [one for one in found if one.type == READY]
    return [*ready, Condition(PROGRESSING, False, BEING_DELETED, held)]


def digest(pods: Sequence[Object]) -> str:
    """Returns the digest of the image that the newest pod runs; empty while that is not known."""
    for pod in sorted(pods, key=lambda pod: str(metadata(pod).get("creationTimestamp")), reverse=True):
        for container in (pod.get("status") or {}).get("containerStatuses") or []:
            image = str(container.get("imageID") or "")
            if container.get("name") == _TOOL and "sha256:" in image:
                return "sha256:" + image.rpartition("sha256:")[2]
    return ""


def _of_present_spec(deployment: Object | None, pods: Sequence[Object]) -> list[Object]:
    """Leaves out pods of an earlier spec: what was wrong with that is no matter any more."""
    template = ((deployment or {}).get("spec") or {}).get("template") or {}
    wanted = annotations_of(template).get(TEMPLATE)
    return [pod for pod in pods if annotations_of(pod).get(TEMPLATE) == wanted]


def _refused(deployment: Object | None) -> Trouble | None:
    """Pods that the API server did not take: the Deployment says so, for there is no pod to say it."""
    failure = find(_status(deployment).get("conditions") or [], "ReplicaFailure")
    if failure is None or failure.get("status") != "True":
        return None
    message = str(failure.get("message", ""))
    return Trouble(QUOTA_EXCEEDED if "exceeded quota" in message else PODS_REFUSED, message)


def _ready(deployment: Object | None, trouble: Trouble | None, needed: str) -> Condition:
    wanted, status = _wanted(deployment), _status(deployment)
    available = int(status.get("availableReplicas") or 0)
    if deployment is not None and wanted == 0:
        return Condition(READY, True, ASLEEP, "no pod runs; the first call starts one")
    if available:
        return Condition(READY, True, AVAILABLE, f"{available} of {wanted} pods answer")
    if trouble is not None:
        return Condition(READY, False, trouble.reason, trouble.message)
    needs = f"; before its containers start, the node needs {needed}" if needed else ""
    return Condition(READY, False, STARTING, f"no pod answers yet{needs}")


def _progressing(deployment: Object | None, trouble: Trouble | None) -> Condition:
    if _complete(deployment):
        return Condition(PROGRESSING, False, COMPLETE, "all pods are of the present spec")
    if trouble is not None:
        return Condition(PROGRESSING, False, trouble.reason, trouble.message)
    return Condition(PROGRESSING, True, ROLLING_OUT, "pods of the present spec are being started")


def _complete(deployment: Object | None) -> bool:
    status, wanted = _status(deployment), _wanted(deployment)
    if deployment is None or status.get("observedGeneration") != metadata(deployment).get("generation"):
        return False
    counts = ("updatedReplicas", "availableReplicas", "replicas")
    return all(int(status.get(count) or 0) == wanted for count in counts)


def _wanted(deployment: Object | None) -> int:
    return int(((deployment or {}).get("spec") or {}).get("replicas", 1))


def _status(deployment: Object | None) -> dict[str, Any]:
    return (deployment or {}).get("status") or {}
