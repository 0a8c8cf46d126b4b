"""AccessRoles and AccessBindings in a cluster: `kubectl auth can-i` answers from them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from cluster_kit.kubectl import TENANT, kubectl
from cluster_kit.tool_server import until

NAME, WHO = "suite-access", "suite-anna@example.org"


def apply(kind: str, spec: dict[str, Any]) -> None:
    meta = {"name": NAME, "namespace": TENANT}
    thing = {"apiVersion": "quarterdeck.dev/v1alpha1", "kind": kind, "metadata": meta, "spec": spec}
    kubectl("apply", "--server-side", "-f", "-", given=json.dumps(thing), namespace=TENANT)


def bind(role: str) -> None:
    apply("AccessBinding", {"role": role, "subjects": [{"principal": WHO}]})


def may(verb: str, what: str, *words: str, namespace: str = TENANT) -> bool:
    said = kubectl("auth", "can-i", verb, what, *words, "--as", WHO, namespace=namespace, check=False)
    return said.splitlines()[0] == "yes"


@pytest.fixture(autouse=True)
def gone_in_the_end() -> Iterator[None]:
    yield
    for kind in ("accessbindings", "accessroles"):
        kubectl("delete", f"{kind}.quarterdeck.dev/{NAME}", "--ignore-not-found", namespace=TENANT)


@pytest.mark.timeout(120)
def test_a_binding_gives_a_role_and_takes_it_back() -> None:
    assert not may("create", "runs.quarterdeck.dev")
    bind("developer")
    until(lambda: may("create", "runs.quarterdeck.dev"), 20, "a developer starts runs")
    assert not may("decide", "approvals.quarterdeck.dev", "--subresource=decide")
    assert not may("create", "runs.quarterdeck.dev", namespace="default")
    bind("approver")
    until(
        lambda: may("decide", "approvals.quarterdeck.dev", "--subresource=decide"), 20, "an approver decides"
    )
    until(lambda: not may("create", "runs.quarterdeck.dev"), 20, "and starts no runs")
    kubectl("delete", f"accessbindings.quarterdeck.dev/{NAME}", namespace=TENANT)
    until(lambda: not may("get", "runs.quarterdeck.dev"), 20, "nothing is left")


@pytest.mark.timeout(120)
def test_a_role_of_the_tenants_own() -> None:
    apply("AccessRole", {"rules": [{"verbs": ["create"], "kinds": ["runs"], "names": ["month-end"]}]})
    bind(NAME)
    until(lambda: may("create", "runs.quarterdeck.dev/month-end"), 20, "it starts that workflow")
    assert not may("create", "runs.quarterdeck.dev") and not may("get", "runs.quarterdeck.dev")
    kubectl("delete", f"accessroles.quarterdeck.dev/{NAME}", namespace=TENANT)
    until(lambda: not may("create", "runs.quarterdeck.dev/month-end"), 20, "gone with the role")
