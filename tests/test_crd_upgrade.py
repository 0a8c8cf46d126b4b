"""An upgrade of the CRDs under live objects: made by an earlier version's, then read and changed by today's.

The earlier CRDs are in landed/crds.yaml. The API server is a real one; the registry's controller is today's.
"""

import asyncio
from pathlib import Path

import pytest
import yaml

from hack.services.api_server import api_server
from quarterdeck.common.service import open_platform
from quarterdeck.common.settings import PlatformSettings
from quarterdeck.controller.api.errors import ApiError
from quarterdeck.controller.api.resource import CRDS, NAMESPACES
from quarterdeck.controller.testing.crds import install_crds, resource_of
from quarterdeck.registry import control
from quarterdeck.resources import generate
from quarterdeck.resources.manifests import load_manifests

ROOT = Path(__file__).parents[1]
LANDED = ROOT / "tests/landed/crds.yaml"
TABLES = ROOT / "libs/resources/tests/verdicts"
API_VERSION = "quarterdeck.dev/v1alpha1"
NAMESPACE = "qd-upgrade"
STRICT = {"fieldValidation": "Strict"}
# A bound may grow, or go.
UPPER = ("maxLength", "maxItems", "maxProperties", "maximum")
LOWER = ("minLength", "minItems", "minProperties", "minimum")
# Refused on purpose since: no Tenant ever got such a namespace, so no object that worked is touched.
# Paths that the gateway serves itself by now: a Trigger's would never be reached.
DELIBERATE = {
    "tenants.quarterdeck.dev": ["'^(default$|kube-)'"],
    "triggers.quarterdeck.dev": ["!self.path.matches('^/((health|"],
}
# What says which values there are at all.
FIXED = ("type", "format", "pattern", "x-kubernetes-int-or-string", "x-kubernetes-list-type", "nullable")


def landed():
    return list(yaml.safe_load_all(LANDED.read_text()))


def todays():
    return [yaml.safe_load(file.read_text()) for file in sorted((ROOT / generate.CRDS).glob("*.yaml"))]


def by_name(definitions):
    return {definition["metadata"]["name"]: definition["spec"] for definition in definitions}


def schema_of(spec):
    return spec["versions"][0]["schema"]["openAPIV3Schema"]


def narrowed(old, new, path="") -> list[str]:
    """Returns where `new` refuses, or forgets, something that `old` takes."""
    found = [f"{path}: {name} {old.get(name)} -> {new.get(name)}" for name in _bounds(old, new)]
    required = set(new.get("required", [])) - set(old.get("required", []))
    # What has a default is never missing.
    defaulted = {name for name, part in new.get("properties", {}).items() if "default" in part}
    found += [f"{path}.{name}: required" for name in sorted(required - defaulted)]
    rules = {rule["rule"] for rule in old.get("x-kubernetes-validations", [])}
    for rule in new.get("x-kubernetes-validations", []):
        # A rule about a field that there was not asks nothing of an object that does not have it.
        if rule["rule"] not in rules and not any(name in rule["rule"] for name in _added(old, new)):
            found.append(f"{path}: a new rule, {rule['rule']}")
    for name, part in old.get("properties", {}).items():
        if name in new.get("properties", {}):
            found += narrowed(part, new["properties"][name], f"{path}.{name}")
        elif "x-kubernetes-preserve-unknown-fields" not in new:
            found.append(f"{path}.{name}: gone")
    for inner in ("items", "additionalProperties"):
        if isinstance(old.get(inner), dict):
            found += narrowed(old[inner], new.get(inner) or {}, f"{path}[]")
    return found


def _added(old, new):
    return set(new.get("properties", {})) - set(old.get("properties", {}))


def _bounds(old, new):
    yield from (name for name in FIXED if name in new and old.get(name) != new[name])
    yield from (name for name in UPPER if name in new and new[name] < old.get(name, float("inf")))
    yield from (name for name in LOWER if name in new and new[name] > old.get(name, 0))
    if "enum" in new and not ("enum" in old and set(old["enum"]) <= set(new["enum"])):
        yield "enum"


def test_a_narrower_schema_is_noticed():
    old = {"type": "object", "properties": {"a": {"type": "string", "maxLength": 5, "enum": ["x", "y"]}}}
    wider = {"maxLength": 9, "enum": ["x", "y", "z"]}
    new = {"type": "object", "properties": {"a": {"type": "string", **wider}, "b": {"type": "integer"}}}
    assert narrowed(old, new) == []
    assert narrowed(new, old) == [
        ".a: maxLength 9 -> 5",
        ".a: enum ['x', 'y', 'z'] -> ['x', 'y']",
        ".b: gone",
    ]
    assert narrowed(old, new | {"required": ["a"]}) == [".a: required"]
    rules = [{"rule": "has(self.a)"}]
    assert narrowed(old, new | {"x-kubernetes-validations": rules}) == [": a new rule, has(self.a)"]
    assert narrowed(old, new | {"x-kubernetes-validations": [{"rule": "has(self.b)"}]}) == []


def test_todays_crds_only_add():
    before, after = by_name(landed()), by_name(todays())
    assert set(before) <= set(after)
    found = {}
    for name, spec in before.items():
        version, names = spec["versions"][0], spec["names"]
        assert (spec["scope"], names["plural"], names["kind"]) == (
            after[name]["scope"],
            after[name]["names"]["plural"],
            after[name]["names"]["kind"],
        )
        assert version["name"] in {each["name"] for each in after[name]["versions"] if each["served"]}
        known = DELIBERATE.get(name, [])
        problems = [
            problem
            for problem in narrowed(schema_of(spec), schema_of(after[name]))
            if not any(rule in problem for rule in known)
        ]
        found |= {name: problems} if problems else {}
    assert found == {}


def kinds():
    return {definition["spec"]["names"]["kind"]: resource_of(definition) for definition in landed()}


def accepted():
    """Yields what an API server accepts by the table of verdicts, each object under a name of its own."""
    for file in sorted(TABLES.glob("*.yaml")):
        (table,) = load_manifests(file.read_text(), file.name)
        for number, case in enumerate(table.data["cases"]):
            # "beyond" is what only our own rules refuse, in a condition.
            if case.get("crd", case["verdict"]) not in {"accepted", "beyond"}:
                continue
            whole = case.get("object") or {"kind": table.data.get("kind"), "spec": case.get("spec")}
            if whole.get("kind") in kinds():
                name = f"{file.stem}-{number}"
                yield manifest(whole["kind"], name, whole.get("spec"), "default")


def manifest(kind, name, spec, namespace=NAMESPACE):
    meta = {"name": name.replace("_", "-").lower()}
    if kind is not None and kinds()[kind].namespaced:
        meta["namespace"] = namespace
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": meta, "spec": spec}


@pytest.fixture(scope="module")
def plane():
    """An API server of its own: its CRDs are an earlier version's."""
    with api_server() as made:
        yield made


async def made_live(client):
    """Makes what the earlier CRDs accept, each with a status; returns the objects as they are then."""
    live, resources = [], kinds()
    conditions = [
        {
            "type": "Ready",
            "status": "True",
            "reason": "Ready",
            "message": "ready",
            "observedGeneration": 1,
            "lastTransitionTime": "2026-11-21T10:00:00Z",
        }
    ]
    for thing in accepted():
        resource = resources[thing["kind"]]
        try:
            made = await client.create(resource, thing, **STRICT)
        except ApiError as error:  # it asks for what came later
            assert error.code in {400, 422}, error
            continue
        status = {"observedGeneration": 1, "conditions": conditions}
        live.append(await client.replace(resource, made | {"status": status}, "status"))
    return live


@pytest.mark.timeout(300)
async def test_live_objects_outlive_an_upgrade_of_the_crds(plane, client):
    await install_crds(client, landed())
    live, resources = await made_live(client), kinds()
    assert len(live) >= 60
    assert {thing["kind"] for thing in live} == set(resources)
    await install_crds(client, todays())
    await served(client)
    for before in live:
        resource, meta = resources[before["kind"]], before["metadata"]
        after = await client.get(resource, meta["name"], meta.get("namespace", ""))
        # Defaults of new fields are shown at once; what was there is there, and no new generation.
        assert contains(after["spec"], before["spec"]), (before["spec"], after["spec"])
        assert after["metadata"]["generation"] == meta["generation"]
        assert after["status"]["conditions"] == before["status"]["conditions"]
        # It is valid by today's rules, too: written as it is, and with a new label.
        await client.replace(resource, after | {"status": after["status"]}, **STRICT)
        label = {"metadata": {"labels": {"upgraded": "yes"}}}
        merged = await client.merge(resource, meta["name"], label, meta.get("namespace", ""))
        assert merged["metadata"]["labels"]["upgraded"] == "yes"


async def served(client):
    """Waits until today's schema is the one that answers: tolerations came with it."""
    tolerant = {"image": "x", "transport": "http", "port": 1, "tolerations": [{"key": "a"}]}
    thing = manifest("MCPServer", "tolerant", {"container": tolerant}, "default")
    for _ in range(100):
        try:
            await client.create(kinds()["MCPServer"], thing, dryRun="All", **STRICT)
        except ApiError:
            await asyncio.sleep(0.1)
        else:
            return
    raise AssertionError("today's schema of MCPServer is not served")


def contains(whole, part):
    """True if `whole` says all that `part` does."""
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(contains(whole.get(k), v) for k, v in part.items())
    if isinstance(part, list):
        return len(whole) == len(part) and all(contains(*pair) for pair in zip(whole, part, strict=True))
    return whole == part


class Registry:
    """Today's controller of the registry, on the API server of the test."""

    def __init__(self, folder):
        self.settings = PlatformSettings(data_dir=folder)

    async def __aenter__(self):
        self.platform = open_platform("registry", self.settings)
        self.controller = await control.build(self.platform)
        await self.controller.start()

    async def __aexit__(self, *_):
        await self.controller.stop(5)
        await self.platform.close()


async def ready(client, kind, name, generation):
    """Waits until an object is Ready in that generation."""
    for _ in range(200):
        thing = await client.get(kinds()[kind], name, NAMESPACE)
        good = [
            item
            for item in thing.get("status", {}).get("conditions", [])
            if item["type"] == "Ready" and item["status"] == "True"
        ]
        if good and good[0]["observedGeneration"] == thing["metadata"]["generation"] == generation:
            return thing
        await asyncio.sleep(0.1)
    raise AssertionError(f"{kind} {name} is not Ready: {thing}")


@pytest.mark.timeout(180)
async def test_what_was_ready_is_ready_through_the_upgrade(tmp_path, monkeypatch, postgres_database):
    with api_server() as plane:
        monkeypatch.setenv("KUBECONFIG", str(plane.kubeconfig))
        monkeypatch.setenv("QD_REGISTRY_OBJECTS", "kubernetes")
        monkeypatch.setenv("QD_DATABASE_URL", postgres_database)
        client = await plane.client()
        await install_crds(client, landed())
        meta = {"name": NAMESPACE, "labels": {"quarterdeck.dev/tenant": "upgrade"}}
        await client.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": meta})
        playbook = {"name": "standard", "providers": [{"provider": "playbook", "playbook": "p.yaml"}]}
        transform = {"nodes": [{"name": "n", "transform": {"output": "${input.x}"}}]}
        for kind, name, spec in (
            ("Tenant", "upgrade", {"displayName": "U"}),
            ("ModelRoute", "default", {"tiers": [playbook]}),
            ("Agent", "a", {"instructions": "Help."}),
            ("Workflow", "w", transform),
        ):
            await client.create(kinds()[kind], manifest(kind, name, spec))
        async with Registry(tmp_path):
            first = [await ready(client, kind, name, 1) for kind, name in (("Agent", "a"), ("Workflow", "w"))]
        await install_crds(client, todays())
        async with Registry(tmp_path):
            for thing in first:
                again = await ready(client, thing["kind"], thing["metadata"]["name"], 1)
                assert again["status"]["revision"] == thing["status"]["revision"]
            await client.merge(kinds()["Agent"], "a", {"spec": {"instructions": "Help more."}}, NAMESPACE)
            await ready(client, "Agent", "a", 2)
        definitions = await client.list_all(CRDS)
        assert {tuple(each["status"]["storedVersions"]) for each in definitions} == {("v1alpha1",)}
        await client.close()
