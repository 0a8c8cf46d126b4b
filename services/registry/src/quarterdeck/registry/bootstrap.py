"""The first start: a counter, and the tenant that an embedded platform begins with."""

from __future__ import annotations

from sqlalchemy import Connection

from quarterdeck.common.constants import API_VERSION, DEFAULT_TENANT
from quarterdeck.registry import history, manifests, store
from quarterdeck.registry.decisions import Precondition
from quarterdeck.registry.records import CLUSTER

_TENANT = {
    "apiVersion": API_VERSION,
    "kind": "Tenant",
    "metadata": {"name": DEFAULT_TENANT},
    "spec": {"displayName": "Default"},
}


def first_start(connection: Connection, now: float) -> bool:
    """Makes the counter and the tenant `default`; False if this database was started before.

    A tenant `default` that somebody deleted later is not made again.
    """
    if not history.prepare(connection):
        return False
    store.apply(connection, CLUSTER, manifests.of_object(_TENANT), Precondition(), now)
    return True
