"""Which images a tenant may run: the API server and our own rule say the same of each."""

import uuid
from pathlib import Path

import pytest
import yaml
from registry_cluster import RESOURCES, eventually
from registry_support import manifest

from quarterdeck.controller.api.errors import Invalid
from quarterdeck.controller.api.resource import NAMESPACES, Resource
from quarterdeck.resources.images import ImageRules, problem

MANIFEST = Path(__file__).parents[3] / "k8s" / "base" / "images.yaml"
ADMISSION = "admissionregistration.k8s.io"
POLICIES = [
    Resource(ADMISSION, "v1", f"validatingadmission{plural}", f"ValidatingAdmission{kind}", namespaced=False)
    for plural, kind in (("policies", "Policy"), ("policybindings", "PolicyBinding"))
]
DIGEST = "@sha256:" + "0123456789abcdef" * 4
PLACES = {"places": ["registry.example.dev/team", "other.example.dev", "other.example.dev:5000/x"]}
BY_DIGEST = {"byDigest": True}

VERDICTS = [
    ({}, "anything:1", True),
    (PLACES, "registry.example.dev/team/tool:1", True),
    (PLACES, "registry.example.dev/team:1", True),
    (PLACES, "registry.example.dev/team" + DIGEST, True),
    (PLACES, "registry.example.dev/team", True),
    (PLACES, "registry.example.dev/teams/tool:1", False),
    (PLACES, "registry.example.dev/tool:1", False),
    (PLACES, "registry.example.dev.evil.example/team/tool", False),
    (PLACES, "other.example.dev/any/thing:1", True),
    (PLACES, "other.example.dev:5000/x/thing:1", True),
    (PLACES, "other.example.dev:5000/y/thing:1", False),
    (PLACES, "team/tool:1", False),
    (PLACES, "tool", False),
    (BY_DIGEST, "tool:1" + DIGEST, True),
    (BY_DIGEST, "tool:1", False),
    (BY_DIGEST, "tool@sha256:0123", False),
    (PLACES | BY_DIGEST, "other.example.dev/tool" + DIGEST, True),
    (PLACES | BY_DIGEST, "other.example.dev/tool:1", False),
    (PLACES | BY_DIGEST, "tool" + DIGEST, False),
]


@pytest.fixture
async def policy(client, definitions):
    """The policy of the release, in force."""
    by_kind = {resource.kind: resource for resource in POLICIES}
    things = list(yaml.safe_load_all(MANIFEST.read_text()))
    for thing in things:
        await client.apply(by_kind[thing["kind"]], thing, manager="test")
    yield
    for thing in things:
        await client.delete(by_kind[thing["kind"]], thing["metadata"]["name"])


@pytest.fixture
async def home(client, policy):
    """Makes a Tenant with rules for its images, whose namespace is known; returns the namespace."""
    made = []

    async def make(images):
        name = f"t-{uuid.uuid4().hex[:8]}"
        await client.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        await client.create(RESOURCES["Tenant"], manifest("Tenant", name, {"images": images}))
        await client.merge(RESOURCES["Tenant"], name, {"status": {"namespace": name}}, "", "status")
        made.append(name)
        return name

    yield make
    for name in made:
        await client.delete(RESOURCES["Tenant"], name)


async def tried(client, namespace, image):
    """Returns what the API server says against a server from that image; nothing is made."""
    thing = manifest("MCPServer", "tried", {"container": {"image": image, "command": ["serve"]}})
    thing["metadata"]["namespace"] = namespace
    try:
        await client.create(RESOURCES["MCPServer"], thing, dryRun="All")
    except Invalid as error:
        return str(error)
    return ""


@pytest.mark.parametrize(("images", "image", "allowed"), VERDICTS)
def test_our_own_rule(images, image, allowed):
    assert (problem(image, ImageRules.model_validate(images)) == "") is allowed


async def test_the_api_server_says_the_same(client, home):
    homes = [(images, await home(images)) for images in ({}, PLACES, BY_DIGEST, PLACES | BY_DIGEST)]
    for _, namespace in homes[1:]:
        await eventually(lambda namespace=namespace: tried(client, namespace, "tool:1"))
    said = [
        await tried(client, next(home for known, home in homes if known == images), image)
        for images, image, _ in VERDICTS
    ]
    assert [text == "" for text in said] == [allowed for _, _, allowed in VERDICTS]
    assert all("spec.container.image: " in text for text in said if text)


async def test_what_is_there_can_be_changed_in_all_but_its_image(client, home):
    namespace = await home({})
    thing = manifest("MCPServer", "s", {"container": {"image": "tool:1", "command": ["serve"]}})
    thing["metadata"]["namespace"] = namespace
    await client.create(RESOURCES["MCPServer"], thing)
    rules = {"spec": {"images": BY_DIGEST}}
    await client.merge(RESOURCES["Tenant"], namespace, rules)
    await eventually(lambda: tried(client, namespace, "tool:1"))
    await client.merge(RESOURCES["MCPServer"], "s", {"metadata": {"labels": {"a": "b"}}}, namespace)
    await client.merge(RESOURCES["MCPServer"], "s", {"spec": {"container": {"port": 9}}}, namespace)
    with pytest.raises(Invalid, match="not named by its digest"):
        await client.merge(RESOURCES["MCPServer"], "s", {"spec": {"container": {"image": "x"}}}, namespace)
    await client.merge(
        RESOURCES["MCPServer"], "s", {"spec": {"container": None, "remote": {"url": "https://x"}}}, namespace
    )
    await client.delete(RESOURCES["MCPServer"], "s", namespace)
