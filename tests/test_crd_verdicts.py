"""The table of accepted and refused objects, asked of a real API server through the generated CRDs.

The same table is asked of our own models in libs/resources; the verdicts must be the same.
"""

import asyncio
import json
import re
from pathlib import Path

import pytest
import yaml

from quarterdeck.controller.api.errors import ApiError, NotFound
from quarterdeck.controller.objects import key_of
from quarterdeck.controller.testing.crds import install_crds, resource_of
from quarterdeck.resources.generate import CRDS
from quarterdeck.resources.manifests import load_manifests

ROOT = Path(__file__).parents[1]
TABLES = ROOT / "libs/resources/tests/verdicts"
DRY = {"dryRun": "All", "fieldValidation": "Strict"}


def definitions():
    return [yaml.safe_load(file.read_text()) for file in sorted((ROOT / CRDS).glob("*.yaml"))]


def resources():
    return {definition["spec"]["names"]["kind"]: resource_of(definition) for definition in definitions()}


def cases():
    """Yields every case that is for an API server, as (table, case, object)."""
    for file in sorted(TABLES.glob("*.yaml")):
        (table,) = load_manifests(file.read_text(), file.name)
        for case in table.data["cases"]:
            if case.get("crd") == "none":
                continue
            whole = {
                "apiVersion": "quarterdeck.dev/v1alpha1",
                "kind": table.data.get("kind"),
                "metadata": {"name": "case"},
                "spec": case.get("spec"),
            }
            yield f"{file.stem}: {case['name']}", case, case.get("object", whole)


async def refusal(client, thing, kinds):
    """Returns the API server's error about an object; None if it takes it."""
    resource = kinds[thing["kind"]]
    sent = {**thing, "metadata": dict(thing["metadata"])}
    # What only the server writes, and it refuses to be told.
    for name in ("managedFields", "resourceVersion", "uid", "generation", "creationTimestamp"):
        sent["metadata"].pop(name, None)
    if resource.namespaced:
        sent["metadata"]["namespace"] = "default"
    try:
        await client.create(resource, sent, **DRY)
        if "status" in sent:
            await refusal_of_status(client, resource, sent)
    except ApiError as error:
        return error
    return None


def says(error, path):
    """True if an error names the place, what is around it whose rule is broken, or an item in it."""
    places = [cause.get("field", "") for cause in error.details.get("causes", [])]
    # Unknown fields, and types that do not fit, are said in words alone.
    places += re.findall(r'"([\w.\[\]]+)"', error.message)
    return any(within(path, place) or within(place, path) for place in places if place)


def within(inner, outer):
    return inner == outer or inner.startswith((f"{outer}.", f"{outer}["))


async def refusal_of_status(client, resource, sent):
    """A creation leaves the status out: it is asked about an object that is there. Raises ApiError."""
    made = await client.create(resource, {name: value for name, value in sent.items() if name != "status"})
    try:
        await client.replace(resource, made | {"status": sent["status"]}, "status", **DRY)
    finally:
        key = key_of(made)
        await client.delete(resource, key.name, key.namespace)


@pytest.mark.timeout(300)
async def test_the_api_server_gives_the_verdicts_of_the_table(client):
    await install_crds(client, definitions())
    kinds, differing, refused, accepted = resources(), [], 0, 0
    for name, case, thing in cases():
        error = await refusal(client, thing, kinds)
        if case["verdict"] == "refused" and case.get("crd") != "accepted":
            refused += 1
            if error is None or error.code not in {400, 422} or not says(error, case["path"]):
                differing.append(f"{name}: should be refused at {case['path']}, was {error or 'accepted'}")
        else:
            accepted += 1
            if error is not None:
                differing.append(f"{name}: should be accepted, was refused: {error}")
    assert differing == []
    assert refused >= 60
    assert accepted >= 60


def without_description(schema, path):
    """Yields the fields that `kubectl explain` could say nothing about."""
    for name, part in schema.get("properties", {}).items():
        if not part.get("description"):
            yield f"{path}.{name}"
        yield from without_description(part.get("items", part), f"{path}.{name}")


async def test_kubectl_explain_has_something_to_say_about_every_field(client):
    """What the API server publishes, which is what kubectl reads."""
    await install_crds(client, definitions())
    group, version = "quarterdeck.dev", "v1alpha1"
    published = await published_schemas(client, f"/openapi/v3/apis/{group}/{version}", set(resources()))
    tools = published["Agent"]["properties"]["spec"]["properties"]["tools"]
    assert tools["description"]
    assert all(part["description"] for part in tools["items"]["properties"].values())
    silent = [
        path
        for kind, schema in published.items()
        for path in without_description(schema["properties"]["spec"], f"{kind}.spec")
    ]
    assert silent == []


async def published_schemas(client, path, kinds):
    """Returns the schemas by kind, once all are published: the API server takes a moment."""
    for _ in range(100):
        try:
            schemas = json.loads(await client.raw(path))["components"]["schemas"]
        except NotFound:
            schemas = {}
        by_kind = {name.rsplit(".", 1)[1]: schema for name, schema in schemas.items()}
        if kinds <= set(by_kind):
            return {kind: by_kind[kind] for kind in kinds}
        await asyncio.sleep(0.2)
    raise AssertionError(f"not published: {kinds - set(by_kind)}")
