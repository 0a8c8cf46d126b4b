"""What the registry's controller says for people: Events, health, and which CRDs it misses."""

import copy
import json

import pytest
from registry_cluster import RESOURCES, eventually
from registry_support import manifest

from quarterdeck.common.errors import Unavailable
from quarterdeck.common.management import health, metrics
from quarterdeck.controller.api.resource import CRDS, EVENTS
from quarterdeck.registry.kube import outdated, statuses
from quarterdeck.registry.kube.outdated import Definitions
from quarterdeck.resources.generation.crds import crd
from quarterdeck.resources.kinds import KINDS


async def events_about(cluster, name, namespace):
    found = await cluster.kube.list_all(EVENTS)
    return [
        event
        for event in found
        if event["involvedObject"]["name"] == name and event["metadata"]["namespace"] == namespace
    ]


async def test_what_is_wrong_and_what_is_mended_is_an_event(cluster):
    bad = manifest("Workflow", "w", {"nodes": [{"name": "n", "transform": {"output": "${1 +}"}}]})
    await cluster.created(bad)

    async def reasons():
        found = await events_about(cluster, "w", cluster.namespace)
        return {(event["type"], event["reason"]) for event in found}

    await eventually(reasons, lambda found: ("Warning", "InvalidSpec") in found)
    good = {"spec": {"nodes": [{"name": "n", "transform": {"output": "x"}}]}}
    await cluster.kube.merge(RESOURCES["Workflow"], "w", good, cluster.namespace)
    found = await eventually(reasons, lambda found: ("Normal", "Ready") in found)
    assert ("Normal", "Accepted") in found


async def test_what_is_as_it_should_be_from_the_first_is_no_event(cluster):
    await cluster.created(
        manifest("Workflow", "fine", {"nodes": [{"name": "n", "transform": {"output": "x"}}]})
    )

    async def ready():
        thing = await cluster.in_cluster("Workflow", "fine")
        items = thing.get("status", {}).get("conditions", [])
        return any(item["type"] == "Ready" and item["status"] == "True" for item in items)

    await eventually(ready)
    assert await events_about(cluster, "fine", cluster.namespace) == []


@pytest.mark.parametrize(
    ("before", "now", "told"),
    [
        ({}, ("True", "Ready"), False),
        ({}, ("False", "Gone"), True),
        ({"status": "False", "reason": "Gone"}, ("False", "Gone"), False),
        ({"status": "False", "reason": "Gone"}, ("False", "Other"), True),
        ({"status": "False", "reason": "Gone"}, ("True", "Ready"), True),
        ({"status": "Unknown", "reason": "Pending"}, ("True", "Ready"), False),
        ({"status": "True", "reason": "Ready"}, ("Unknown", "Pending"), False),
    ],
)
def test_which_conditions_are_news(before, now, told):
    stored = [{"type": "Ready", **before}] if before else []
    item = {"type": "Ready", "status": now[0], "reason": now[1], "message": "m"}
    assert bool(statuses.news(stored, {"conditions": [item]})) is told


async def test_it_is_healthy_and_shows_the_metrics_that_people_know(cluster):
    async def status():
        return (await health(cluster.controller_platform))[1]

    body = await eventually(status, lambda found: found["status"] == "ok")
    assert {"db", "caches", "crds"} <= set(body["checks"])
    text = metrics([cluster.controller_platform]).decode()
    for name in (
        "workqueue_depth",
        'controller_runtime_reconcile_total{controller="tenants"',
        "leader_election_master_status",
        "rest_client_requests_total",
        'reflector_items{name="namespaces"}',
    ):
        assert name in text, name


def of(kind):
    """The CRD of a kind, as it is sent and as it comes back."""
    return json.loads(json.dumps(crd(KINDS[kind])))


async def test_an_older_crd_is_named_with_what_it_does_not_know(client, definitions):
    ours = of("Agent")
    live = await client.get(CRDS, "agents.quarterdeck.dev")
    assert outdated.verdict(ours, live) == ""
    older = copy.deepcopy(live)
    spec = older["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    del spec["context"], spec["tools"]["items"]["properties"]["names"]
    said = outdated.verdict(ours, older)
    assert said.startswith("agents.quarterdeck.dev: is older than this release")
    assert "spec.context" in said and "spec.tools[].names" in said
    older["spec"]["versions"][0]["name"] = "v1alpha0"
    assert outdated.verdict(ours, older) == "agents.quarterdeck.dev: does not serve v1alpha1"


class Log:
    """Keeps what was logged."""

    def __init__(self):
        self.said = []

    def __getattr__(self, level):
        return lambda event, **more: self.said.append((level, event, more))


async def test_a_crd_that_is_missing_is_said_once_and_looked_for_until_it_is_there(
    client, definitions, monkeypatch
):
    monkeypatch.setattr(outdated, "AGAIN", 0.01)
    log, real, missing = Log(), client.get, [3]

    async def get(resource, name, namespace=""):
        if name == "triggers.quarterdeck.dev" and missing[0]:
            missing[0] -= 1
            name = "nothings.quarterdeck.dev"
        return await real(resource, name, namespace)

    monkeypatch.setattr(client, "get", get)
    found = Definitions(client, log)
    await found.run()
    await found.check()
    assert [event for _, event, _ in log.said] == ["crds.outdated", "crds.as_they_should_be"]
    assert log.said[0][2]["crds"] == ["triggers.quarterdeck.dev: is not installed"]
    found._wrong = ["triggers.quarterdeck.dev: is not installed"]
    with pytest.raises(Unavailable):
        await found.check()
