"""Objects that somebody holds in deletion, and statuses written by hand, on a real API server."""

import pytest
from registry_cluster import RESOURCES, eventually
from registry_support import agent

from quarterdeck.common.errors import FailedPrecondition

HOLD = {"metadata": {"finalizers": ["example.org/audit"]}}
LET_GO = {"metadata": {"finalizers": None}}


async def test_what_is_held_in_deletion_is_served_until_it_is_gone(cluster):
    await cluster.created(agent("held"))
    await eventually(lambda: cluster.served("Agent", "held"))
    await cluster.kube.merge(RESOURCES["Agent"], "held", HOLD, cluster.namespace)
    await cluster.kube.delete(RESOURCES["Agent"], "held", cluster.namespace)
    # Its neighbour's turn comes, so its own has been.
    await cluster.created(agent("later"))
    await eventually(lambda: cluster.served("Agent", "later"))
    assert await cluster.served("Agent", "held") is not None
    await cluster.kube.merge(RESOURCES["Agent"], "held", LET_GO, cluster.namespace)
    await eventually(lambda: cluster.served("Agent", "held"), lambda found: found is None)


async def test_what_our_api_deletes_and_somebody_holds_is_served_until_it_is_gone(cluster):
    await cluster.created({**agent("held"), "metadata": {"name": "held", **HOLD["metadata"]}})
    await eventually(lambda: cluster.served("Agent", "held"))
    for _ in range(2):
        with pytest.raises(FailedPrecondition, match=r"held by example\.org/audit"):
            await cluster.admin.delete("Agent", "held", cluster.tenant)
    assert (await cluster.in_cluster("Agent", "held"))["metadata"]["deletionTimestamp"]
    await cluster.created(agent("later"))
    await eventually(lambda: cluster.served("Agent", "later"))
    assert await cluster.served("Agent", "held") is not None, "it is there, and may be looked at"
    await cluster.kube.merge(RESOURCES["Agent"], "held", LET_GO, cluster.namespace)
    await eventually(lambda: cluster.served("Agent", "held"), lambda found: found is None)


async def test_a_status_that_was_written_by_hand_is_set_back(cluster):
    await cluster.created(agent("told"))

    async def accepted():
        items = (await cluster.in_cluster("Agent", "told")).get("status", {}).get("conditions", [])
        return next((one for one in items if one["type"] == "Accepted"), {})

    before = await eventually(accepted)
    lie = {**before, "status": "False", "reason": "Nonsense", "message": "by hand"}
    patch = {"status": {"conditions": [lie]}}
    await cluster.kube.merge(RESOURCES["Agent"], "told", patch, cluster.namespace, "status")
    await eventually(accepted, lambda found: found.get("reason") == before["reason"])
