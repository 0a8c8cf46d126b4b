"""Whether a tenant may have a namespace. Pure.

A tenant has a namespace that was made for it, or one that somebody who may label namespaces gave it by the
label `quarterdeck.dev/tenant`. Those of the cluster and of this release are nobody's.
"""

from __future__ import annotations

from quarterdeck.controller.objects import Object, annotations_of, is_deleting, key_of, labels_of
from quarterdeck.registry.conditions import FALSE, Condition
from quarterdeck.registry.constants import (
    MADE_FOR,
    NAMESPACE_READY,
    REASON_NAMESPACE_FORBIDDEN,
    REASON_NAMESPACE_NOT_LABELLED,
    REASON_NAMESPACE_TAKEN,
    REASON_NAMESPACE_TERMINATING,
    TENANT_LABEL,
)


def is_forbidden(namespace: str, release: str) -> bool:
    """True for a namespace that no tenant may have. `release`: where the platform itself runs."""
    return namespace in {release, "default"} or namespace.startswith("kube-")


def is_made_for(live: Object, tenant: str) -> bool:
    """True if the controller made the namespace for that tenant."""
    return annotations_of(live).get(MADE_FOR) == tenant


def belongs_to(live: Object | None, tenant: str, release: str) -> bool:
    """True if what is in the namespace is the tenant's."""
    if live is None or is_forbidden(key_of(live).name, release):
        return False
    return labels_of(live).get(TENANT_LABEL) == tenant


def obstacle(namespace: str, live: Object | None, tenant: str, release: str) -> Condition | None:
    """Returns why a tenant may not have a namespace; None if it may.

    Args:
        live: the namespace, if it is there.
    """
    if is_forbidden(namespace, release):
        return _refused(REASON_NAMESPACE_FORBIDDEN, f"namespace {namespace!r} can be no tenant's")
    if live is None:
        return None
    if is_deleting(live):
        return _refused(REASON_NAMESPACE_TERMINATING, f"namespace {namespace!r} is being deleted")
    holder = labels_of(live).get(TENANT_LABEL)
    if holder == tenant or (holder is None and is_made_for(live, tenant)):
        return None
    if holder is not None:
        return _refused(REASON_NAMESPACE_TAKEN, f"namespace {namespace!r} is tenant {holder!r}'s")
    how = f"kubectl label namespace {namespace} {TENANT_LABEL}={tenant}"
    said = f"namespace {namespace!r} was there before and is not labelled for this tenant: {how}"
    return _refused(REASON_NAMESPACE_NOT_LABELLED, said)


def _refused(reason: str, said: str) -> Condition:
    return Condition(NAMESPACE_READY, FALSE, reason, f"spec.namespace: {said}")
