"""The manifests in k8s/ say what the programs read: settings, ports, names of images."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from quarterdeck.cli.constants import CONTROLLER_PORTS, MANAGEMENT_PORTS
from quarterdeck.common.constants import DEFAULT_GRPC_PORT, DEFAULT_HTTP_PORT, SERVICES
from quarterdeck.common.proofs.accounts import audience_of
from quarterdeck.common.settings import PlatformSettings
from quarterdeck.resources.kinds import KINDS

BASE = Path(__file__).parents[1] / "k8s" / "base"
LOCAL = Path(__file__).parents[1] / "k8s" / "overlays" / "local"
# Whose image a controller runs on.
# Its own Service is the door; another one is for the services.
INSIDE = {"gateway": "gateway-inside"}
CONTROLLERS = {"registry-controller": "registry", "mcp-controller": "mcp-manager"}


def objects(file: Path) -> dict[str, dict[str, Any]]:
    """Returns the objects of a manifest by kind; of those that services have, it has one of each."""
    several = ("networking.k8s.io", "rbac.authorization.k8s.io")
    found = [one for one in yaml.safe_load_all(file.read_text()) if one]
    found = [one for one in found if not one.get("apiVersion", "").startswith(several)]
    by_kind = {one["kind"]: one for one in found}
    assert len(by_kind) == len(found)
    return by_kind


def container_of(deployment: dict[str, Any]) -> dict[str, Any]:
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    return dict(container)


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> PlatformSettings:
    """The settings as a pod reads them."""
    for name in [name for name in os.environ if name.startswith("QD_")]:
        monkeypatch.delenv(name)
    found = list(yaml.safe_load_all((BASE / "settings.yaml").read_text()))
    for name, value in found[0]["data"].items():
        monkeypatch.setenv(name, value)
    return PlatformSettings()


def test_every_setting_is_one_that_services_read(settings: PlatformSettings) -> None:
    data = next(iter(yaml.safe_load_all((BASE / "settings.yaml").read_text())))["data"]
    assert {name.removeprefix("QD_").lower() for name in data} <= settings.model_fields_set


def test_peers_are_found_by_the_services_names_and_ports(settings: PlatformSettings) -> None:
    for peer, address in settings.peers.items():
        service = objects(BASE / f"{INSIDE.get(peer, peer)}.yaml")["Service"]
        assert service["spec"]["clusterIP"] == "None", "one address for all pods would pin a channel to one"
        (port,) = service["spec"]["ports"]
        assert address == f"dns:///{service['metadata']['name']}:{port['port']}"
        assert settings.listen_address(peer).endswith(f":{port['port']}")
        assert service["spec"]["selector"] == {"app.kubernetes.io/name": peer}
    assert set(settings.peers) == set(MANAGEMENT_PORTS)


@pytest.mark.parametrize("service", [*MANAGEMENT_PORTS, *CONTROLLERS])
def test_a_pod_serves_what_its_image_is_made_for(service: str) -> None:
    deployment = objects(BASE / f"{service}.yaml")["Deployment"]
    container = container_of(deployment)
    image = f"quarterdeck/{CONTROLLERS.get(service, service)}"
    assert (container["image"], container["args"]) == (image, ["serve", service])
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports["management"] == (MANAGEMENT_PORTS | CONTROLLER_PORTS)[service]
    if service == "gateway":
        assert (ports["http"], ports["grpc"]) == (DEFAULT_HTTP_PORT, DEFAULT_GRPC_PORT)


def test_a_pod_is_given_longer_to_stop_than_its_service_drains(settings: PlatformSettings) -> None:
    pod = objects(BASE / "service-pod.yaml")["Deployment"]["spec"]["template"]["spec"]
    leaving = container_of(objects(BASE / "leaving.yaml")["Deployment"])["lifecycle"]["preStop"]["sleep"]
    assert pod["terminationGracePeriodSeconds"] > leaving["seconds"] + settings.drain_timeout
    # A connection's age has a tenth of chance, and names are asked for every ten seconds at most.
    assert leaving["seconds"] > settings.connection_age * 1.1 + 10
    assert pod["automountServiceAccountToken"] is False


def test_only_who_asks_the_api_server_gets_a_token_and_a_way_to_it() -> None:
    label = ("quarterdeck.dev/asks", "api-server")
    asking = set()
    for service in (*MANAGEMENT_PORTS, *CONTROLLERS):
        deployment = objects(BASE / f"{service}.yaml")["Deployment"]
        of_pods = deployment["spec"]["template"]["metadata"]["labels"].items()
        assert (label in deployment["metadata"].get("labels", {}).items()) == (label in of_pods)
        if label in of_pods:
            asking.add(service)
    assert asking == {"gateway", "registry", *CONTROLLERS}
    kustomization = yaml.safe_load((BASE / "kustomization.yaml").read_text())
    targets = {
        patch["path"]: patch.get("target", {}).get("labelSelector") for patch in kustomization["patches"]
    }
    assert targets["api-server-pod.yaml"] == "=".join(label)


def test_no_object_is_there_twice() -> None:
    resources = yaml.safe_load((BASE / "kustomization.yaml").read_text())["resources"]
    found = [one for file in resources for one in yaml.safe_load_all((BASE / file).read_text()) if one]
    ids = Counter((one["kind"], one["metadata"]["name"]) for one in found)
    assert [name for name, times in ids.items() if times > 1] == []


def test_the_registrys_accounts_are_told_of_every_kind() -> None:
    plurals = {info.plural for info in KINDS.values()}
    for role in yaml.safe_load_all((BASE / "permissions.yaml").read_text()):
        for rule in role.get("rules", []):
            if rule["apiGroups"] == ["quarterdeck.dev"]:
                assert {name.removesuffix("/status") for name in rule["resources"]} == plurals


def test_the_local_overlay_names_a_version_of_every_image() -> None:
    kustomization = yaml.safe_load((LOCAL / "kustomization.yaml").read_text())
    named = {image["name"] for image in kustomization["images"]}
    files = [*(BASE / f"{service}.yaml" for service in MANAGEMENT_PORTS), *LOCAL.glob("*.yaml")]
    files.append(BASE.parent / "egress" / "proxy.yaml")
    used = {
        container_of(found["Deployment"])["image"]
        for file in files
        if "Deployment" in (found := objects(file))
    }
    assert named == used and len(used) == 9


def test_pods_prove_who_they_are_and_cannot_pass_for_another(settings: PlatformSettings) -> None:
    (patch,) = yaml.safe_load_all((BASE / "service-pod.yaml").read_text())
    pod, accounts = patch["spec"]["template"]["spec"], settings.accounts()
    assert accounts is not None
    (tokens,) = [volume["projected"] for volume in pod["volumes"] if volume["name"] == "tokens"]
    given = [source["serviceAccountToken"] for source in tokens["sources"]]
    assert {one["path"]: one["audience"] for one in given} == {name: audience_of(name) for name in SERVICES}
    assert {CONTROLLERS.get(name, name) for name in accounts.names} | set(SERVICES) == set(SERVICES)
    mounts = {mount["mountPath"]: mount for mount in container_of(patch)["volumeMounts"]}
    assert mounts[str(accounts.tokens)]["name"] == "tokens"
    assert mounts[str(accounts.keys.parent)]["name"] == "issuer"
    assert mounts[str(settings.keys_dir())] | {"readOnly": True} == mounts[str(settings.keys_dir())]
    own = mounts[str(settings.own_keys_directory)]
    assert (own["name"], own["subPathExpr"]) == ("shared", "keys/$(QD_ACCOUNT)")
