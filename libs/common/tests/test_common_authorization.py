"""What rules mean: the evaluator is pure, closed, and says what allowed something."""

import pytest

from quarterdeck.common.authorization.grants import Grant, decide, of_binding, of_platform, of_tenant
from quarterdeck.common.authorization.roles import ROLES
from quarterdeck.common.authorization.rules import Question, Rule, first, matches, rule_of
from quarterdeck.common.constants import PLATFORM_ADMINS
from quarterdeck.common.identity import Principal

ANNA = Principal("corp:anna", ("corp:books",))
LOOK = Question("get", "agents", "acme", "matcher")


def binding(role="viewer", **subject):
    return {"role": role, "subjects": [subject or {"principal": "corp:anna"}]}


@pytest.mark.parametrize(
    ("pattern", "name", "fits"),
    [
        ("match-*", "match-one", True),
        ("match-*", "match-", True),
        ("match-*", "rematch-one", False),
        ("*", "a/b", True),
        ("ledger/*", "ledger/book", True),
        ("ledger/*", "ledgers/book", False),
        ("*/book", "ledger/book", True),
        ("a.c", "abc", False),
        ("a*c*e", "abcde", True),
        ("a*a", "a", False),
        ("ab*bc", "abc", False),
        ("*aa*aa*", "aaa", False),
        ("***", "x\ny", True),
        ("match", "match-one", False),
    ],
)
def test_names(pattern, name, fits):
    assert matches(pattern, name) is fits


def test_many_stars_cost_no_more_than_one():
    assert not matches("*" * 127 + "b", "a" * 10_000)
    assert not matches("a*" * 63 + "b", "a" * 10_000)


@pytest.mark.parametrize(
    ("kinds", "resource", "fits"),
    [
        (["runs"], "runs", True),
        (["runs"], "runs/cancel", False),
        (["runs/*"], "runs/cancel", True),
        (["runs/*"], "runs", False),
        (["*/cancel"], "runs/cancel", True),
        (["*/cancel"], "runs/pause", False),
        (["*"], "runs/cancel", True),
        ([], "runs", False),
    ],
)
def test_kinds(kinds, resource, fits):
    assert rule_of({"verbs": ["*"], "kinds": kinds}).allows("update", resource, "") is fits


def test_a_rule_with_names_says_nothing_where_none_is_named():
    rule = rule_of({"verbs": ["list"], "kinds": ["agents"], "names": ["*"]})
    assert not rule.allows("list", "agents", "")
    assert rule.allows("list", "agents", "x")


def test_without_a_grant_nothing_is_allowed():
    verdict = decide((), ANNA, LOOK)
    assert not verdict.allowed and verdict.grant is None and "no role" in verdict.reason
    assert not decide(
        [Grant("all", "x", (Rule(frozenset("*"), frozenset("*")),))], Principal(""), LOOK
    ).allowed


def test_what_allowed_it_is_said():
    grant = of_binding("acme", "books", binding(group="corp:books"), {})
    verdict = decide([grant], ANNA, LOOK)
    assert verdict.allowed and verdict.reason == "role viewer by AccessBinding books"
    assert verdict.rule in ROLES["viewer"]


def test_a_binding_holds_in_its_tenant_alone():
    own = {"all": {"rules": [{"verbs": ["*"], "kinds": ["*"]}]}}
    grant = of_binding("acme", "all", binding("all"), own)
    assert decide([grant], ANNA, LOOK).allowed
    assert not decide([grant], ANNA, LOOK._replace(tenant="other")).allowed
    assert not decide([grant], ANNA, Question("update", "tenants", "", "acme")).allowed


def test_nobody_changes_what_a_role_of_ours_means():
    grant = of_binding("acme", "b", binding(), {"viewer": {"rules": [{"verbs": ["*"], "kinds": ["*"]}]}})
    assert grant.rules == ROLES["viewer"]


def test_a_binding_to_no_role_gives_nothing():
    assert of_binding("acme", "b", binding("gone"), {}) is None


def test_a_tenants_first_administrators():
    assert of_tenant("acme", {}) is None
    grant = of_tenant("acme", {"admins": [{"principal": "corp:anna"}]})
    assert decide([grant], ANNA, Question("update", "accessbindings", "acme")).allowed
    assert not decide([grant], ANNA, Question("update", "tenants", "", "acme")).allowed


def test_the_platforms_administrators():
    grant = of_platform("a setting", (), ("corp:books",))
    assert decide([grant], ANNA, Question("update", "tenants", "", "acme")).allowed
    assert not decide([grant], ANNA, Question("get", "runs", "acme")).allowed


def test_who_belongs_to_a_tenant_may_do_nothing_elsewhere():
    admin = Principal("x", (PLATFORM_ADMINS,), tenant="acme")
    assert decide((), admin, LOOK).allowed
    assert not decide((), admin, LOOK._replace(tenant="other")).allowed
    assert not decide((), admin, Question("list", "tenants")).allowed


def test_scopes_narrow_and_never_widen():
    scopes = (rule_of({"verbs": ["get", "delete"], "kinds": ["agents"]}),)
    narrowed = Principal("corp:anna", (), scopes=scopes)
    grant = of_binding("acme", "b", binding(), {})
    assert decide([grant], narrowed, LOOK).allowed
    assert not decide([grant], narrowed, LOOK._replace(resource="workflows")).allowed
    assert not decide([grant], narrowed, LOOK._replace(verb="delete")).allowed
    everything = Principal("local:admin", (PLATFORM_ADMINS,), scopes=scopes)
    assert not decide((), everything, LOOK._replace(verb="update")).allowed


def test_a_rule_is_written_as_a_scope_is():
    assert str(rule_of({"verbs": ["get", "list"], "kinds": ["runs"], "names": ["a"]})) == "get,list:runs:a"
    assert first((), LOOK) is None
