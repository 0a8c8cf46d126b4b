"""Least privilege, from the API server's audit log: what our accounts may is what they did.

It looks at what the whole suite made the platform do, so it comes last.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cluster_kit.kubectl import CLUSTER, NAMESPACE, get

LOGS = Path("/var/lib/k8s-one-node/log")
PREFIX = f"system:serviceaccount:{NAMESPACE}:"
ACCOUNTS = (
    "gateway",
    "registry",
    "registry-controller",
    "agent-runtime",
    "mcp-manager",
    "mcp-controller",
    "memory",
    "egress-proxy",
)
# Asked of the API server when a binding or a Role is written; no request of its own in the log.
UNSEEN = {"bind", "escalate"}

# (API group, resource with subresource, verb)
Right = tuple[str, str, str]

# Given for what this suite does not do. One that is used after all is to be taken off the list.
NOT_USED_HERE: dict[str, set[Right]] = {
    # A pod that waits is claimed by its label; no server of the suite has such pods.
    "mcp-controller": {("", "pods", "patch")},
}
# What is lent in tenants' namespaces, by the Role of that name, while an object there needs it.
LENT: dict[str, dict[Right, str]] = {"mcp-controller": {("", "secrets", "get"): "quarterdeck-tool-secrets"}}


@pytest.fixture(scope="module")
def asked() -> list[dict[str, Any]]:
    """The requests of our accounts since they were made."""
    which = subprocess.run([CLUSTER / "which"], capture_output=True, text=True, check=True).stdout.strip()
    assert which == "own", "only a cluster of hack/cluster has an audit log to be read here"
    born = {one["metadata"]["name"]: one["metadata"]["creationTimestamp"] for one in get("sa")["items"]}
    return [
        event
        for event in events()
        if event["requestReceivedTimestamp"] > born.get(event["user"]["username"].removeprefix(PREFIX), "~")
    ]


def events() -> Iterator[dict[str, Any]]:
    """The log's requests for objects by accounts of the platform's namespace."""
    for file in sorted(LOGS.glob("audit*.jsonl")):
        with file.open() as lines:
            for line in lines:
                if PREFIX in line and '"objectRef"' in line:
                    event = json.loads(line)
                    if event["user"]["username"].startswith(PREFIX):
                        yield event


def account_of(event: dict[str, Any]) -> str:
    return str(event["user"]["username"]).removeprefix(PREFIX)


def rights_used(event: dict[str, Any]) -> set[Right]:
    """What a request needed. An apply that makes an object needs the right to create it, too."""
    ref = event["objectRef"]
    resource = "/".join(part for part in (ref["resource"], ref.get("subresource", "")) if part)
    place = (ref.get("apiGroup", ""), resource)
    made = event["verb"] == "patch" and event.get("responseStatus", {}).get("code") == 201
    return {(*place, event["verb"])} | ({(*place, "create")} if made else set())


def granted(account: str) -> set[Right]:
    """What the roles that are bound to an account at all times give it."""
    found: set[Right] = set()
    subject = {"kind": "ServiceAccount", "name": account, "namespace": NAMESPACE}
    for kind in ("clusterrolebindings", "rolebindings"):
        for binding in get(kind)["items"]:
            if subject in binding.get("subjects", []):
                role = get(f"{binding['roleRef']['kind'].lower()}s", binding["roleRef"]["name"])
                found |= {right for rule in role["rules"] for right in rights_of(rule)}
    return found


def rights_of(rule: dict[str, Any]) -> Iterator[Right]:
    for group in rule["apiGroups"]:
        for resource in rule["resources"]:
            for verb in rule["verbs"]:
                assert "*" not in (group, resource, verb), f"a right to whatever comes: {rule}"
                if verb not in UNSEEN:
                    yield group, resource, verb


def reason_of(event: dict[str, Any]) -> str:
    return str(event.get("annotations", {}).get("authorization.k8s.io/reason", ""))


def is_refused(event: dict[str, Any]) -> bool:
    return bool(event.get("annotations", {}).get("authorization.k8s.io/decision") == "forbid")


def test_nobody_was_refused_for_good(asked: list[dict[str, Any]]) -> None:
    refused, allowed = (
        {
            (account_of(one), right)
            for one in asked
            if is_refused(one) is verdict
            for right in rights_used(one)
        }
        for verdict in (True, False)
    )
    assert allowed
    assert refused - allowed == set(), "a right is missing"


@pytest.mark.parametrize("account", ACCOUNTS)
def test_an_account_has_used_every_right_that_it_has(account: str, asked: list[dict[str, Any]]) -> None:
    mine = [event for event in asked if account_of(event) == account and not is_refused(event)]
    used = {right for event in mine for right in rights_used(event)}
    has = granted(account)
    assert has - used == NOT_USED_HERE.get(account, set()), "rights that nothing needed"
    assert used - has == set(LENT.get(account, {})), "rights from elsewhere, or not lent"


@pytest.mark.parametrize("account", LENT)
def test_what_was_lent_came_from_the_role_of_that_name(account: str, asked: list[dict[str, Any]]) -> None:
    for right, role in LENT[account].items():
        used = [
            event
            for event in asked
            if account_of(event) == account and not is_refused(event) and right in rights_used(event)
        ]
        assert used, f"nothing was lent by {role}"
        for event in used:
            namespace, why = event["objectRef"]["namespace"], reason_of(event)
            assert f'RoleBinding "{role}/{namespace}" of Role "{role}"' in why, why
            assert event["objectRef"]["name"], "one by one"
