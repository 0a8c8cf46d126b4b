"""One table of who may do what, asked of our evaluator and of a real API server: both say the same."""

import asyncio
import uuid
from pathlib import Path

import pytest
import yaml

from quarterdeck.common.authorization.grants import Grant, decide
from quarterdeck.common.authorization.roles import ROLES
from quarterdeck.common.authorization.rules import Question, rule_of
from quarterdeck.common.constants import API_GROUP
from quarterdeck.common.identity import Principal
from quarterdeck.controller.api import reviews
from quarterdeck.controller.api.resource import NAMESPACES, ROLE_BINDINGS, Resource

CASES = yaml.safe_load((Path(__file__).parent / "access_cases.yaml").read_text())
OF_THE_CLUSTER = Path(__file__).parents[3] / "k8s" / "base" / "roles.yaml"
RBAC = "rbac.authorization.k8s.io"
CLUSTER_ROLES = Resource(RBAC, "v1", "clusterroles", "ClusterRole", namespaced=False)
CLUSTER_BINDINGS = Resource(RBAC, "v1", "clusterrolebindings", "ClusterRoleBinding", namespaced=False)
ROLES_OF_TENANTS = Resource(RBAC, "v1", "roles", "Role")


def principal_of(text):
    name, _, group = text.partition(":")
    return Principal(name, (group,) if group else ())


def grants():
    own = {name: tuple(map(rule_of, rules)) for name, rules in CASES["roles"].items()}
    for one in CASES["bindings"]:
        rules = ROLES.get(one["role"]) or own[one["role"]]
        subjects = frozenset(one.get("principals", ())), frozenset(one.get("groups", ()))
        yield Grant(one["role"], "a binding", rules, one["tenant"], *subjects)


@pytest.mark.parametrize("case", CASES["questions"], ids=lambda case: " ".join(map(str, case)))
def test_our_evaluator(case):
    who, verb, resource, tenant, name, allowed = case
    verdict = decide(grants(), principal_of(who), Question(verb, resource, tenant, name))
    assert verdict.allowed is allowed, verdict.reason
    assert (verdict.grant is not None) is allowed


def test_the_table_says_both_of_every_role():
    bound = {role: set() for role in (*ROLES, *CASES["roles"])}
    for one in CASES["bindings"]:
        bound[one["role"]] |= set(one.get("principals", ()))
    for role, people in bound.items():
        assert {case[-1] for case in CASES["questions"] if case[0] in people} == {True, False}, role


def shipped():
    """The ClusterRoles that people are given, by the names of ours, each rule in the words of ours."""
    for role in yaml.safe_load_all(OF_THE_CLUSTER.read_text()):
        name = role["metadata"]["name"].removeprefix("quarterdeck-")
        if role["kind"] == "ClusterRole" and {"quarterdeck.dev"} == {
            group for rule in role["rules"] for group in rule["apiGroups"]
        }:
            yield name, role["rules"]


def test_our_roles_and_those_of_the_cluster_agree_rule_by_rule():
    theirs = {
        name: {
            (
                frozenset(rule["verbs"]) - {"patch"},
                frozenset(rule["resources"]),
                tuple(rule.get("resourceNames", ())),
            )
            for rule in rules
        }
        for name, rules in shipped()
    }
    ours = {name: {(rule.verbs, rule.kinds, rule.names) for rule in rules} for name, rules in ROLES.items()}
    assert ours == theirs


def test_whoever_may_update_in_the_cluster_may_patch():
    for name, rules in shipped():
        for rule in rules:
            if {"create", "update"} <= set(rule["verbs"]) and rule["resources"] != ["apikeys"]:
                assert "patch" in rule["verbs"], name


def rbac_rule(rule):
    found = {"apiGroups": [API_GROUP], "resources": rule["kinds"], "verbs": rule["verbs"]}
    return found | ({"resourceNames": rule["names"]} if rule.get("names") else {})


async def written(client, spaces):
    """Writes the table's roles and bindings into the API server, in namespaces that stand for tenants."""
    for role in yaml.safe_load_all(OF_THE_CLUSTER.read_text()):
        if role["kind"] == "ClusterRole":
            await client.apply(CLUSTER_ROLES, role, manager="test")
    head = {"apiVersion": f"{RBAC}/v1"}
    for space in spaces.values():
        await client.create(
            NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": space}}
        )
    for name, rules in CASES["roles"].items():
        meta = {"name": name, "namespace": spaces["acme"]}
        role = {**head, "kind": "Role", "metadata": meta, "rules": list(map(rbac_rule, rules))}
        await client.apply(ROLES_OF_TENANTS, role, manager="test")
    for place, one in enumerate(CASES["bindings"]):
        own = one["role"] in CASES["roles"]
        name = one["role"] if own else f"quarterdeck-{one['role']}"
        subjects = [{"apiGroup": RBAC, "kind": "User", "name": who} for who in one.get("principals", ())]
        subjects += [{"apiGroup": RBAC, "kind": "Group", "name": group} for group in one.get("groups", ())]
        binding = {
            **head,
            "roleRef": {"apiGroup": RBAC, "kind": "Role" if own else "ClusterRole", "name": name},
            "subjects": subjects,
        }
        if one["tenant"]:
            meta = {"name": f"case-{place}", "namespace": spaces[one["tenant"]]}
            await client.apply(
                ROLE_BINDINGS, {**binding, "kind": "RoleBinding", "metadata": meta}, manager="test"
            )
        else:
            meta = {"name": f"case-{place}-{spaces['acme']}"}
            body = {**binding, "kind": "ClusterRoleBinding", "metadata": meta}
            await client.apply(CLUSTER_BINDINGS, body, manager="test")


async def asked(client, spaces, case):
    who, verb, resource, tenant, name, _ = case
    plural, _, sub = resource.partition("/")
    person = principal_of(who)
    question = reviews.Question(verb, API_GROUP, plural, spaces[tenant] if tenant else "", name, sub)
    verdict = await reviews.review_access(
        client, reviews.User(person.subject, groups=person.groups), question
    )
    return verdict.allowed


async def test_the_cluster_says_the_same(client):
    spaces = {name: f"qd-{uuid.uuid4().hex[:8]}" for name in ("acme", "other")}
    await written(client, spaces)
    wrong = CASES["questions"]
    for _ in range(100):  # its authorizer learns of bindings a moment later
        wrong = [case for case in wrong if await asked(client, spaces, case) is not case[-1]]
        if not wrong:
            break
        await asyncio.sleep(0.1)
    assert not wrong
