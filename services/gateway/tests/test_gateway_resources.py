"""Declared resources over REST."""

import json

import pytest

from quarterdeck.common.errors import Conflict
from quarterdeck.gateway.constants import CLUSTER_KINDS, TENANT_KINDS
from quarterdeck.resources.kinds import KINDS
from quarterdeck.v1 import resources_pb2 as pb

T = "/api/v1/tenants/default"
MANIFEST = {
    "apiVersion": "quarterdeck.dev/v1alpha1",
    "kind": "Workflow",
    "metadata": {"name": "w"},
    "spec": {},
}
RAW = b'{"kind":"Workflow",  "metadata":{"name":"w"},"spec":{"big":9007199254740993}}'


def obj(name="w", version="7"):
    return pb.Object(kind="Workflow", name=name, object_json=RAW, resource_version=version)


def test_the_paths_know_every_kind():
    known = {info.plural: info.kind for info in KINDS.values() if not info.cluster_scoped}
    assert known == TENANT_KINDS
    assert {info.plural: info.kind for info in KINDS.values() if info.cluster_scoped} == CLUSTER_KINDS


async def test_an_object_passes_through_byte_for_byte(house):
    house.registry.answers["GetObject"] = obj()
    response = await house.client.get(f"{T}/workflows/w")
    assert response.content == RAW
    asked = house.registry.last(pb.GetObjectRequest)
    assert (asked.tenant, asked.kind, asked.name) == ("default", "Workflow", "w")


@pytest.mark.parametrize(
    ("path", "kind", "tenant"),
    [
        ("/api/v1/tenants/acme", "Tenant", ""),
        ("/api/v1/platformpolicies/p", "PlatformPolicy", ""),
        ("/api/v1/tenants/acme/policies/p", "Policy", "acme"),
        ("/api/v1/tenants/acme/mcpservers/p", "MCPServer", "acme"),
    ],
)
async def test_kinds_and_scopes(house, path, kind, tenant):
    house.registry.answers["GetObject"] = obj()
    assert (await house.client.get(path)).status_code == 200
    asked = house.registry.last(pb.GetObjectRequest)
    assert (asked.kind, asked.tenant) == (kind, tenant)


async def test_a_list_pages_filters_and_sorts(house):
    house.registry.answers["ListObjects"] = pb.ListObjectsResponse(
        objects=[obj("a"), obj("b")], next_page_token="next", resource_version="9"
    )
    query = "labelSelector=team%3Dbooks&limit=2&continue=token&orderBy=-created"
    body = (await house.client.get(f"{T}/workflows?{query}")).json()
    assert len(body["items"]) == 2
    assert (body["continue"], body["resourceVersion"]) == ("next", "9")
    asked = house.registry.last(pb.ListObjectsRequest)
    assert (asked.label_selector, asked.page_size, asked.page_token) == ("team=books", 2, "token")
    assert asked.order_by == "-created"


async def test_the_last_page_is_empty_json_all_the_same(house):
    house.registry.answers["ListObjects"] = pb.ListObjectsResponse(resource_version="9")
    body = (await house.client.get("/api/v1/tenants")).json()
    assert body == {"items": [], "continue": None, "resourceVersion": "9"}


@pytest.mark.parametrize(
    ("outcome", "dry", "status", "said"),
    [
        (pb.ApplyObjectResponse.OUTCOME_CREATED, "", 201, "created"),
        (pb.ApplyObjectResponse.OUTCOME_CREATED, "?dryRun=true", 200, "created"),
        (pb.ApplyObjectResponse.OUTCOME_CONFIGURED, "?resourceVersion=7", 200, "configured"),
        (pb.ApplyObjectResponse.OUTCOME_UNCHANGED, "?createOnly=true", 200, "unchanged"),
    ],
)
async def test_apply(house, outcome, dry, status, said):
    house.registry.answers["ApplyObject"] = pb.ApplyObjectResponse(object=obj(), outcome=outcome)
    response = await house.client.put(f"{T}/workflows/w{dry}", json=MANIFEST)
    assert (response.status_code, response.headers["quarterdeck-outcome"]) == (status, said)
    asked = house.registry.last(pb.ApplyObjectRequest)
    assert json.loads(asked.object_json) == MANIFEST
    assert asked.dry_run == ("dryRun" in dry) and asked.create_only == ("createOnly" in dry)
    assert asked.resource_version == ("7" if "resourceVersion" in dry else "")


async def test_create_refuses_what_exists(house):
    house.registry.answers["ApplyObject"] = pb.ApplyObjectResponse(
        object=obj(), outcome=pb.ApplyObjectResponse.OUTCOME_CREATED
    )
    assert (await house.client.post(f"{T}/workflows", json=MANIFEST)).status_code == 201
    assert house.registry.last(pb.ApplyObjectRequest).create_only


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"kind": "Agent"}, "kind"),
        ({"kind": None}, "kind"),
        ({"metadata": {"name": "v"}}, "metadata.name"),
        ({"metadata": 7}, "metadata.name"),
    ],
)
async def test_a_manifest_must_fit_its_path(house, change, field):
    response = await house.client.put(f"{T}/workflows/w", json={**MANIFEST, **change})
    assert (response.status_code, response.json()["field"]) == (400, field)
    assert house.registry.count(pb.ApplyObjectRequest) == 0


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"w"'])
async def test_what_is_no_manifest_is_refused(house, body):
    response = await house.client.put(f"{T}/workflows/w", content=body)
    assert response.status_code == 400
    assert "manifest" in response.json()["hint"]


async def test_delete_with_a_version(house):
    house.registry.answers["DeleteObject"] = obj()
    response = await house.client.delete(f"{T}/workflows/w?resourceVersion=7")
    assert response.content == RAW
    assert house.registry.last(pb.DeleteObjectRequest).resource_version == "7"


async def test_revisions(house):
    revision = pb.Revision(
        revision="Workflow/w@0123456789ab", kind="Workflow", name="w", spec_json=b'{"a":1}', created_at="t"
    )
    house.registry.answers["ListRevisions"] = pb.ListRevisionsResponse(revisions=[revision])
    body = (await house.client.get(f"{T}/workflows/w/revisions")).json()
    assert body["items"][0]["spec"] == {"a": 1}
    assert (await house.client.get("/api/v1/tenants/t/revisions")).status_code == 200
    assert house.registry.last(pb.ListRevisionsRequest).kind == "Tenant"


def changes(*numbers):
    kind = pb.WatchEvent.TYPE_MODIFIED
    return [pb.WatchEvent(type=kind, object=obj(), resource_version=str(n)) for n in numbers]


async def test_a_watch_streams_and_resumes(house):
    house.registry.answers["WatchObjects"] = changes(8, 9)
    response = await house.client.get(f"{T}/workflows?watch=true&resourceVersion=7&labelSelector=a")
    assert response.headers["content-type"].startswith("text/event-stream")
    found = house.frames(response.text)
    assert [frame["id"] for frame in found] == ["8", "9"]
    data = json.loads(found[0]["data"])
    assert (found[0]["event"], data["type"], data["resourceVersion"]) == ("MODIFIED", "MODIFIED", "8")
    assert data["object"]["spec"] == {"big": 9007199254740993}
    asked = house.registry.last(pb.WatchObjectsRequest)
    assert (asked.resource_version, asked.label_selector) == ("7", "a")
    await house.client.get(f"{T}/workflows?watch=true", headers={"Last-Event-ID": "9"})
    assert house.registry.last(pb.WatchObjectsRequest).resource_version == "9"


async def test_a_watch_from_too_far_back_is_gone(house):
    house.registry.answers["WatchObjects"] = lambda request: Conflict(
        "too old", reason="ResourceVersionTooOld"
    )
    response = await house.client.get(f"{T}/workflows?watch=true&resourceVersion=1")
    assert response.status_code == 410
