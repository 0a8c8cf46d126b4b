"""AccessRoles and AccessBindings in a cluster: the API server answers from them.

It is asked by SubjectAccessReview: `kubectl auth can-i` looks up resources before it asks, and runs are none.
"""

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


def may(verb: str, resource: str, name: str = "", namespace: str = TENANT) -> bool:
    plural, _, sub = resource.partition("/")
    what = {"verb": verb, "group": "quarterdeck.dev", "resource": plural, "subresource": sub}
    asked = {"user": WHO, "resourceAttributes": {**what, "namespace": namespace, "name": name}}
    review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": asked}
    said = kubectl("create", "-f", "-", "-o", "json", given=json.dumps(review), namespace="")
    return bool(json.loads(said)["status"]["allowed"])


@pytest.fixture(autouse=True)
def gone_in_the_end() -> Iterator[None]:
    yield
    for kind in ("accessbindings", "accessroles"):
        kubectl("delete", f"{kind}.quarterdeck.dev/{NAME}", "--ignore-not-found", namespace=TENANT)


@pytest.mark.timeout(120)
def test_a_binding_gives_a_role_and_takes_it_back() -> None:
    assert not may("create", "runs")
    bind("developer")
    until(lambda: may("create", "runs"), 20, "a developer starts runs")
    assert not may("decide", "approvals/decide")
    assert not may("create", "runs", namespace="default")
    bind("approver")
    until(lambda: may("decide", "approvals/decide"), 20, "an approver decides")
    until(lambda: not may("create", "runs"), 20, "and starts no runs")
    kubectl("delete", f"accessbindings.quarterdeck.dev/{NAME}", namespace=TENANT)
    until(lambda: not may("get", "runs"), 20, "nothing is left")


@pytest.mark.timeout(120)
def test_a_role_of_the_tenants_own() -> None:
    apply("AccessRole", {"rules": [{"verbs": ["create"], "kinds": ["runs"], "names": ["month-end"]}]})
    bind(NAME)
    until(lambda: may("create", "runs", "month-end"), 20, "it starts that workflow")
    assert not may("create", "runs") and not may("get", "runs")
    kubectl("delete", f"accessroles.quarterdeck.dev/{NAME}", namespace=TENANT)
    until(lambda: not may("create", "runs", "month-end"), 20, "gone with the role")
