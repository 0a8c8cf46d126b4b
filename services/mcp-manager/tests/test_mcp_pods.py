"""An MCPServer as Kubernetes objects: golden files for what is written, properties for what always holds.

`python services/mcp-manager/tests/test_mcp_pods.py` writes the golden files anew.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from quarterdeck.mcp.pods.names import POOL, SERVER, object_name
from quarterdeck.mcp.pods.render import render
from quarterdeck.mcp.pods.settings import Facts, PodSettings, Proxy, Refused
from quarterdeck.resources.mcpserver import MCPServer

GOLDEN = Path(__file__).parent / "golden"
PROXY = Proxy("http://10.96.0.77:3128", 3128, "quarterdeck", {"app.kubernetes.io/component": "egress-proxy"})
SETTINGS = PodSettings(
    "quarterdeck/bridge:1", "quarterdeck", {"app.kubernetes.io/component": "mcp-manager"}, PROXY
)
FACTS = Facts("tenant-acme", "11111111-2222-3333-4444-555555555555", "0f1e")
SECRET = {"name": "API_KEY", "secretRef": {"secret": {"name": "ledger", "key": "key"}}}
SERVERS: dict[str, dict[str, Any]] = {
    "stdio": {
        "container": {
            "image": "ledger:1",
            "command": ["python", "server.py"],
            "args": ["-v"],
            "env": {"MODE": "fast"},
            "imagePullSecrets": ["registry"],
            "runtimeClassName": "gvisor",
            "nodeSelector": {"pool": "tools"},
            "tolerations": [{"key": "tools", "operator": "Exists", "effect": "NoSchedule"}],
            "resources": {"limits": {"memory": "128Mi"}},
            "secretFiles": [{"path": "/etc/ledger/key.pem", "secret": {"name": "ledger", "key": "pem"}}],
            "volumes": [
                {"path": "/var/cache/ledger", "emptyDir": {"sizeLimit": "1Gi"}},
                {"path": "/books", "persistentVolumeClaim": {"claimName": "books"}, "readOnly": True},
                {"path": "/etc/ledger.d", "configMap": {"name": "settings"}},
            ],
        },
        "egress": ["api.example.com", "*.example.org:8443"],
        "secrets": [SECRET],
        "scaling": {"minReplicas": 0, "maxReplicas": 3, "warmPool": 2},
    },
    "http": {
        "container": {"image": "maps:2", "transport": "http", "port": 3000, "path": "/api/mcp"},
        "scaling": {"minReplicas": 2, "maxReplicas": 4},
    },
}


def server(spec: dict[str, Any], name: str = "ledger") -> MCPServer:
    document = {
        "apiVersion": "quarterdeck.dev/v1alpha1",
        "kind": "MCPServer",
        "metadata": {"name": name},
        "spec": spec,
    }
    return MCPServer.model_validate(document)


def made(
    spec: dict[str, Any], facts: Facts = FACTS, settings: PodSettings = SETTINGS
) -> list[dict[str, Any]]:
    objects = render(server(spec), settings, facts)
    assert not isinstance(objects, Refused), objects
    return objects


def text(case: str) -> str:
    # Without anchors: people read these.
    plain = json.loads(json.dumps(made(SERVERS[case])))
    return yaml.safe_dump_all(plain, sort_keys=False)


def one(objects: list[dict[str, Any]], kind: str, at: int = 0) -> dict[str, Any]:
    return [document for document in objects if document["kind"] == kind][at]


def tool(objects: list[dict[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = one(objects, "Deployment")["spec"]["template"]["spec"]["containers"][0]
    return found


@pytest.mark.parametrize("case", sorted(SERVERS))
def test_golden(case: str) -> None:
    assert text(case) == (GOLDEN / f"pods-{case}.yaml").read_text()


def test_hosts_without_a_proxy_are_refused_and_not_left_open() -> None:
    found = render(server(SERVERS["stdio"]), replace(SETTINGS, proxy=None), FACTS)
    assert isinstance(found, Refused)
    assert (found.reason, found.field) == ("EgressUnenforceable", "spec.egress")


def test_a_secret_of_the_platforms_environment_is_refused() -> None:
    spec = {**SERVERS["http"], "secrets": [SECRET, {"name": "B", "secretRef": {"env": "B"}}]}
    found = render(server(spec), SETTINGS, FACTS)
    assert isinstance(found, Refused)
    assert found.field == "spec.secrets[1].secretRef.env"


def test_pods_that_wait_are_those_that_serve_but_for_their_pool() -> None:
    templates = [one(made(SERVERS["stdio"]), "Deployment", at)["spec"]["template"] for at in (0, 1)]
    pools = [template["metadata"]["labels"].pop(POOL) for template in templates]
    assert pools == ["serving", "warm"]
    assert templates[0] == templates[1]
    other = made({**SERVERS["stdio"], "egress": []})
    assert (
        one(other, "Deployment")["spec"]["template"]["metadata"]["annotations"]
        != templates[0]["metadata"]["annotations"]
    )


def test_how_many_pods_serve_is_the_managers_to_say_where_none_may_be_enough() -> None:
    assert "replicas" not in one(made(SERVERS["stdio"]), "Deployment")["spec"]
    assert one(made(SERVERS["http"]), "Deployment")["spec"]["replicas"] == 2


def test_a_secret_that_changes_rolls_the_pods_and_nothing_else() -> None:
    before, after = made(SERVERS["stdio"]), made(SERVERS["stdio"], replace(FACTS, secrets_hash="beef"))
    changed = [old["kind"] for old, new in zip(before, after, strict=True) if old != new]
    assert changed == ["Deployment", "Deployment"]


@pytest.mark.parametrize(
    ("said", "requests", "limits"),
    [
        ({}, {"cpu": "20m", "memory": "64Mi"}, {"memory": "512Mi"}),
        ({"limits": {"memory": "32Mi"}}, {"cpu": "20m"}, {"memory": "32Mi"}),
        ({"requests": {"memory": "1Gi"}}, {"cpu": "20m", "memory": "1Gi"}, {"memory": "1Gi"}),
        ({"limits": {"cpu": "10m"}}, {"memory": "64Mi"}, {"cpu": "10m", "memory": "512Mi"}),
    ],
)
def test_defaults_do_not_contradict_the_author(said: Any, requests: Any, limits: Any) -> None:
    container = {**SERVERS["http"]["container"], "resources": said}
    assert tool(made({"container": container}))["resources"] == {"requests": requests, "limits": limits}


def test_without_hosts_nothing_leaves_the_pod() -> None:
    objects = made(SERVERS["http"])
    assert one(objects, "NetworkPolicy")["spec"]["egress"] == []
    assert not any("proxy" in variable["name"].lower() for variable in tool(objects)["env"])


names = st.from_regex(re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", re.ASCII), fullmatch=True)


@given(st.lists(names, min_size=2, max_size=2, unique=True))
def test_names_are_labels_and_different(pair: list[str]) -> None:
    found = [object_name(name, prefix) for name in pair for prefix in ("mcp", "mcpwarm")]
    assert len(set(found)) == 4
    assert all(re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", name) and len(name) <= 63 for name in found)


containers = st.fixed_dictionaries(
    {"image": st.sampled_from(["a:1", "b@sha256:" + "0" * 64]), "command": st.just(["run"])},
    optional={
        "transport": st.sampled_from(["stdio", "http"]),
        "env": st.dictionaries(st.sampled_from(["HOME", "A", "HTTPS_PROXY", "NO_PROXY"]), st.just("x")),
        "runAsUser": st.integers(1, 4_294_967_294),
    },
)
specs = st.fixed_dictionaries(
    {"container": containers},
    optional={
        "isolation": st.sampled_from(["session", "shared"]),
        "egress": st.lists(st.sampled_from(["a.example", "b.example"]), unique=True),
        "secrets": st.just([SECRET]),
        "scaling": st.fixed_dictionaries({"warmPool": st.integers(0, 3), "minReplicas": st.integers(0, 1)}),
    },
)


@given(specs)
def test_what_always_holds(spec: dict[str, Any]) -> None:
    objects = made(spec)
    assert objects == made(spec), "rendered differently twice"
    for document in objects:
        assert document["metadata"]["ownerReferences"][0]["uid"] == FACTS.uid
        assert document["metadata"]["namespace"] == FACTS.namespace
    for deployment in (document for document in objects if document["kind"] == "Deployment"):
        template = deployment["spec"]["template"]
        confined(template["spec"])
        selector = deployment["spec"]["selector"]["matchLabels"]
        assert selector.items() <= template["metadata"]["labels"].items()
        assert set(selector) == {SERVER, POOL}
    variables = {variable["name"]: variable for variable in tool(objects)["env"]}
    if spec.get("egress"):
        assert variables["HTTPS_PROXY"]["value"] == PROXY.url, "an author cannot point past the proxy"


def confined(pod: dict[str, Any]) -> None:
    """What Pod Security `restricted` asks, and what nothing in an MCPServer may loosen."""
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] > 0
    assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()
    (copier,), (mounted,) = (
        [one["volumeMounts"] for one in pod[key]] for key in ("initContainers", "containers")
    )
    assert [one["name"] for one in copier] == ["bridge"], "it alone writes the bridge"
    assert {one["name"]: one.get("readOnly", False) for one in mounted}["bridge"] is True
    kinds = {"emptyDir", "secret", "configMap", "persistentVolumeClaim"}
    assert all(len(volume) == 2 and kinds & volume.keys() for volume in pod["volumes"])
    secret = {volume["name"] for volume in pod["volumes"] if volume.keys() & {"secret", "configMap"}}
    assert all(one["readOnly"] for one in mounted if one["name"] in secret)
    assert {one["name"] for one in mounted} == {volume["name"] for volume in pod["volumes"]}
    for container in (*pod["initContainers"], *pod["containers"]):
        assert container["securityContext"]["allowPrivilegeEscalation"] is False
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert container["resources"]["limits"]["memory"]


if __name__ == "__main__":
    for name in SERVERS:
        (GOLDEN / f"pods-{name}.yaml").write_text(text(name))
