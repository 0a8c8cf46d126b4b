"""Pods that wait, made pods that serve: which one, and how. Pure.

A server that wakes gets a pending pod from its ReplicaSet. If one that waits is just like it, that takes its
place: it gets the labels and the owner of the pending one, so the ReplicaSet has one too many and removes the
one that is not ready. The Deployment of those that wait replaces what it lost. A claimed pod is never given
back, and has an owner at every moment: what it serves can go while it is being claimed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from quarterdeck.controller.objects import (
    Object,
    annotations_of,
    is_deleting,
    labels_of,
    metadata,
    version_of,
)
from quarterdeck.controller.writing.conditions import find
from quarterdeck.mcp.pods.names import POOL, SERVING, TEMPLATE

HASH = "pod-template-hash"


def to_claim(
    deployment: Object, serving: Sequence[Object], warm: Sequence[Object]
) -> tuple[Object, Object] | None:
    """Returns a pod that waits and the pending one whose place it takes; None if there is nothing to do.

    Args:
        deployment: of the pods that serve.
        serving: its pods, and those that were claimed for it.
        warm: those that wait.
    """
    alive = [pod for pod in serving if not is_deleting(pod)]
    pending = [pod for pod in alive if not is_ready(pod) and HASH in labels_of(pod)]
    wanted = int((deployment.get("spec") or {}).get("replicas", 1))
    if len(alive) - len(pending) >= wanted:
        return None
    ready = [pod for pod in warm if is_ready(pod) and not is_deleting(pod)]
    for place in pending:
        for pod in sorted(ready, key=lambda one: str(metadata(one).get("creationTimestamp"))):
            if annotations_of(pod).get(TEMPLATE) == annotations_of(place).get(TEMPLATE):
                return pod, place
    return None


def claim(pod: Object, place: Object) -> Object:
    """Returns the change that puts `pod` in the place of the pending one, if nobody has changed it since."""
    labels = {POOL: SERVING, HASH: labels_of(place)[HASH]}
    owners = [_owner(one) for one in metadata(place).get("ownerReferences") or []]
    return {"metadata": {"resourceVersion": version_of(pod), "labels": labels, "ownerReferences": owners}}


def _owner(reference: Mapping[str, Any]) -> dict[str, Any]:
    # To hold up its owner's deletion would need a right to the owner's finalizers.
    return {name: value for name, value in reference.items() if name != "blockOwnerDeletion"}


def is_ready(pod: Object) -> bool:
    """True if a pod answers its probes."""
    condition = find((pod.get("status") or {}).get("conditions") or [], "Ready")
    return condition is not None and condition.get("status") == "True"
