"""Objects of ours as an operator meets them with kubectl, and as the services see them."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cluster_kit.kubectl import TENANT, get, kubectl, program
from e2e_kit.client import ENDED, Client

READERS = Path(__file__).parent / "manifests" / "readers.yaml"
AGENT = "agents.quarterdeck.dev/cluster-reader"
OBJECTS = ("modelroutes.quarterdeck.dev/cluster-route", AGENT, "workflows.quarterdeck.dev/cluster-reading")


def tenants_kubectl(*words: str, check: bool = True) -> str:
    return kubectl(*words, namespace=TENANT, check=check)


@pytest.fixture
def readers() -> Iterator[None]:
    """The objects, applied by kubectl and Ready; gone in the end."""
    tenants_kubectl("apply", "-f", str(READERS))
    tenants_kubectl("wait", "--for=condition=Ready", "--timeout=20s", *OBJECTS)
    yield
    tenants_kubectl("delete", "-f", str(READERS), "--ignore-not-found")


def seen_after(look: Callable[[], bool], limit: float = 10) -> float:
    """Returns the seconds until `look` says yes."""
    began = time.monotonic()
    while not look():
        assert time.monotonic() - began < limit, f"not within {limit} s"
        time.sleep(0.02)
    return time.monotonic() - began


def described(client: Client) -> str:
    answer = client.request("GET", "agents/cluster-reader")
    return str(answer.json()["spec"]["description"]) if answer.is_success else ""


def test_what_kubectl_applied_runs(client: Client, readers: None) -> None:
    run = client.post("runs", {"kind": "Workflow", "name": "cluster-reading", "input": {"text": "ahoy"}})
    found = client.wait_for_run(run["id"], lambda one: one["state"] in ENDED, 30)
    assert (found["state"], found["output"]) == ("succeeded", {"said": "ahoy"})


def test_one_word_lists_all_kinds_and_explain_is_a_manual(readers: None) -> None:
    listed = kubectl("get", "quarterdeck", "-A")
    for name in ("tenant.quarterdeck.dev/default", "cluster-reader", "cluster-reading", "cluster-route"):
        assert name in listed
    explained = kubectl("explain", "agent.spec.tools")
    assert "Tools of one server that the agent may use." in explained
    assert "-required-" in explained
    kinds = kubectl("api-resources", "--api-group=quarterdeck.dev", "-o", "name").split()
    assert len(kinds) == 12
    for kind in kinds:
        assert "DESCRIPTION" in kubectl("explain", kind), kind
    assert "the spec is in force" in tenants_kubectl("describe", AGENT)


def test_an_edit_is_seen_by_the_services_within_a_second(client: Client, readers: None) -> None:
    took = []
    for turn in range(5):
        said = f"Edited {turn}."
        tenants_kubectl("patch", AGENT, "--type=merge", "-p", f'{{"spec": {{"description": "{said}"}}}}')
        took.append(seen_after(lambda said=said: described(client) == said))  # type: ignore[misc]
    print(f"seen after {', '.join(f'{seconds:.2f}' for seconds in took)} s")
    assert max(took) <= 1


def test_an_object_deleted_by_kubectl_is_gone_for_the_services(client: Client, readers: None) -> None:
    tenants_kubectl("delete", "workflows.quarterdeck.dev/cluster-reading")
    assert seen_after(lambda: client.request("GET", "workflows/cluster-reading").status_code == 404) <= 1


def test_two_managers_of_one_manifest_never_drift(readers: None) -> None:
    def apply(manager: str) -> None:
        tenants_kubectl("apply", "--server-side", "--field-manager", manager, "-f", str(READERS))

    def versions() -> list[str]:
        return [str(get(name, namespace=TENANT)["metadata"]["resourceVersion"]) for name in OBJECTS]

    for manager in ("argocd", "flux"):
        apply(manager)
    before = versions()
    for manager in ("argocd", "flux") * 2:
        apply(manager)
    time.sleep(2)
    assert versions() == before, "something was written that neither of them wanted"
    for manager in ("argocd", "flux"):
        command = ["diff", "--server-side", "--field-manager", manager, "-f", str(READERS)]
        answer = subprocess.run(
            [program(), "-n", TENANT, *command], capture_output=True, text=True, timeout=60, check=False
        )
        assert (answer.returncode, answer.stdout) == (0, "")


def test_a_write_at_the_gateway_is_one_in_the_cluster(client: Client, readers: None) -> None:
    sent = client.get("agents/cluster-reader")
    manifest = {name: sent[name] for name in ("apiVersion", "kind")} | {
        "metadata": {"name": "cluster-reader-two", "labels": {"suite": "cluster"}},
        "spec": sent["spec"],
    }
    answer = client.request("PUT", "agents/cluster-reader-two", json=manifest)
    assert answer.is_success, answer.text
    found = get("agents.quarterdeck.dev/cluster-reader-two", namespace=TENANT)
    assert found["metadata"]["annotations"]["quarterdeck.dev/written-by"] == "local:admin"
    assert client.request("DELETE", "agents/cluster-reader-two").is_success
    gone = tenants_kubectl("get", "agents.quarterdeck.dev/cluster-reader-two", check=False)
    assert "NotFound" in gone


def test_what_the_schema_refuses_never_gets_in(readers: None) -> None:
    wrong = '{"spec": {"limits": {"turns": 0}}}'
    said = tenants_kubectl("patch", AGENT, "--type=merge", "-p", wrong, check=False)
    assert "spec.limits.turns" in said, said
    wrong = '{"spec": {"model": {"route": "no-such-route"}}}'
    tenants_kubectl("patch", AGENT, "--type=merge", "-p", wrong)

    def told() -> bool:
        conditions = get(AGENT, namespace=TENANT)["status"]["conditions"]
        return any(one["status"] == "False" and "no-such-route" in one["message"] for one in conditions)

    assert seen_after(told) <= 2
