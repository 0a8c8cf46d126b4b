"""The manifests of the egress proxy say what the programs and the controller look for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from quarterdeck.common.outbound.networks import INSIDE
from quarterdeck.mcp.control.config import ControllerSettings
from quarterdeck.mcp.egress.constants import PORT
from quarterdeck.mcp.pods.names import SERVER

EGRESS = Path(__file__).parents[1] / "k8s" / "egress"


def one(file: str, kind: str) -> dict[str, Any]:
    """Returns the object of a kind in a manifest."""
    (found,) = [thing for thing in yaml.safe_load_all((EGRESS / file).read_text()) if thing["kind"] == kind]
    return dict(found)


def test_the_controller_finds_the_proxy() -> None:
    settings, service = ControllerSettings(), one("proxy.yaml", "Service")
    assert service["metadata"]["name"] == settings.proxy_service
    assert service["spec"]["selector"] == settings.proxy_labels
    assert "clusterIP" not in service["spec"], "it has an address of its own, which pods are told"
    (port,) = service["spec"]["ports"]
    pod = one("proxy.yaml", "Deployment")["spec"]["template"]
    assert pod["metadata"]["labels"].items() >= settings.proxy_labels.items()
    (container,) = pod["spec"]["containers"]
    assert {port["port"], settings.proxy_port, container["ports"][0]["containerPort"]} == {PORT}


def test_tool_pods_alone_come_in_and_nothing_goes_to_what_is_inside() -> None:
    spec = one("network.yaml", "NetworkPolicy")["spec"]
    (rule,) = spec["ingress"]
    (peer,) = rule["from"]
    assert peer["podSelector"]["matchExpressions"] == [{"key": SERVER, "operator": "Exists"}]
    (out,) = spec["egress"]
    (block,) = out["to"]
    assert set(block["ipBlock"]["except"]) <= set(INSIDE)
    assert len(block["ipBlock"]["except"]) == 5


def test_it_may_read_pods_and_nothing_else() -> None:
    (rule,) = one("permissions.yaml", "ClusterRole")["rules"]
    assert rule == {"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "watch"]}
