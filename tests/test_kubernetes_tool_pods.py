"""The manifests of the controller of tool pods say what the programs read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from quarterdeck.cli.programs import PROGRAMS
from quarterdeck.mcp.config import McpSettings
from quarterdeck.mcp.control.config import ControllerSettings
from quarterdeck.mcp.pods.names import SERVER

BASE = Path(__file__).parents[1] / "k8s" / "base"


def documents(name: str) -> list[dict[str, Any]]:
    return [one for one in yaml.safe_load_all((BASE / name).read_text()) if one]


def one(name: str, kind: str) -> dict[str, Any]:
    return next(document for document in documents(name) if document["kind"] == kind)


def variables(deployment: dict[str, Any]) -> set[str]:
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    return {variable["name"] for variable in container["env"]}


def test_the_controllers_pod_serves_it_on_its_port() -> None:
    deployment = one("mcp-controller.yaml", "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    program = PROGRAMS["mcp-controller"]
    assert (container["image"], container["args"]) == (
        f"quarterdeck/{program.service}",
        ["serve", program.name],
    )
    assert [port["containerPort"] for port in container["ports"]] == [program.port]
    known = {f"QD_MCP_CONTROLLER_{name.upper()}" for name in ControllerSettings.model_fields}
    assert variables(deployment) <= known


def test_the_manager_is_who_may_call_tool_pods() -> None:
    settings = ControllerSettings().pods("")
    policy = one("tool-pods.yaml", "NetworkPolicy")
    assert policy["spec"]["podSelector"]["matchLabels"] == settings.manager_labels
    (way_out,) = policy["spec"]["egress"]
    assert way_out["to"][0]["podSelector"]["matchExpressions"][0]["key"] == SERVER
    manager = one("mcp-manager.yaml", "Deployment")["spec"]["template"]["metadata"]["labels"]
    assert settings.manager_labels.items() <= manager.items()


def test_the_manager_may_write_nothing_but_how_many_pods_there_are() -> None:
    rules = one("tool-pods.yaml", "ClusterRole")["rules"]
    writes = [rule["resources"] for rule in rules if set(rule["verbs"]) - {"get", "list", "watch"}]
    assert writes == [["deployments/scale"]]
    known = {f"QD_MCP_{name.upper()}" for name in McpSettings.model_fields}
    assert variables(one("mcp-manager-pods.yaml", "Deployment")) <= known
