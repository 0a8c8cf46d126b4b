"""What of their author's pods wait for, read from pods no container of which has started. Pure.

A kubelet that finds a ConfigMap or a claim missing says so in an event and tries again for ever; the pod's
status stays what it is while any pod starts. So nothing is called missing: what is needed is named.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from quarterdeck.controller.objects import Object, is_deleting

_BEFORE_START = frozenset({"ContainerCreating", "PodInitializing"})
# How the author's volumes are called in a pod, see `pods/mounts.py`.
_AUTHORS = re.compile(r"volume-(\d+)")


def awaited(pods: Iterable[Object]) -> str:
    """Returns what the first such pod needs, in words; empty if there is none, or it needs nothing."""
    waiting = (pod for pod in pods if not is_deleting(pod) and _has_not_begun(pod))
    return next((", ".join(_needs(pod)) for pod in waiting), "")


def _has_not_begun(pod: Object) -> bool:
    status = pod.get("status") or {}
    said = [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]
    states = [(one.get("state") or {}).get("waiting") or {} for one in said if not one.get("lastState")]
    return (
        bool(said) and len(states) == len(said) and all(one.get("reason") in _BEFORE_START for one in states)
    )


def _needs(pod: Object) -> Iterator[str]:
    for volume in (pod.get("spec") or {}).get("volumes") or []:
        place = _AUTHORS.fullmatch(str(volume.get("name")))
        if place is None:
            continue
        field = f"spec.container.volumes[{place[1]}]"
        if source := volume.get("configMap"):
            yield f"ConfigMap {source['name']!r} ({field})"
        if source := volume.get("persistentVolumeClaim"):
            yield f"PersistentVolumeClaim {source['claimName']!r} ({field})"
