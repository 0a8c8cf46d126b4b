"""What goes beyond the schema: graphs, types of expressions, patterns, references, enforcement."""

from typing import Any

import pytest

from quarterdeck.resources.closure import LIVE_KINDS, PINNED_KINDS, closure
from quarterdeck.resources.cluster_rules import rules_in_cluster
from quarterdeck.resources.enforcement import not_enforced
from quarterdeck.resources.kinds import KINDS, parse_object
from quarterdeck.resources.metadata import Resource
from quarterdeck.resources.references import Reference, references, unresolved
from quarterdeck.resources.schema_types import unknown_field, variables_of
from quarterdeck.resources.trigger import Trigger
from quarterdeck.resources.validation import validate
from quarterdeck.resources.validation.expressions import untyped
from quarterdeck.resources.validation.json_schemas import pattern_problem
from quarterdeck.resources.validation.routes import route_of


def resource(kind: str, spec: Any, name: str = "x", status: Any = None) -> Resource:
    return parse_object(
        {
            "apiVersion": "quarterdeck.dev/v1alpha1",
            "kind": kind,
            "metadata": {"name": name},
            "spec": spec,
            "status": status,
        }
    )


def node(name: str, *targets: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "transform": {"output": 1}, "next": [{"to": to} for to in targets][-1:], **more}


def branching(name: str, *targets: str) -> dict[str, Any]:
    return {"name": name, "decision": {"cases": [{"when": "${true}", "to": target} for target in targets]}}


def messages(spec: Any) -> list[str]:
    return [str(error) for error in validate(resource("Workflow", spec))]


def test_the_loop_without_bound_is_shown() -> None:
    nodes = [node("a", "b"), branching("b", "c", "d"), node("c", "b"), node("d")]
    (found,) = messages({"nodes": nodes})
    assert "the loop b → c → b has no bound" in found
    nodes[2] = node("c", "b", maxVisits=5)
    assert messages({"nodes": nodes}) == []


def test_a_bound_on_one_loop_does_not_bound_another() -> None:
    nodes = [branching("a", "b", "c"), node("b", "a", maxVisits=5), node("c", "a")]
    (found,) = messages({"nodes": nodes})
    assert "a → c → a" in found


def test_a_large_graph_is_checked_quickly() -> None:
    names = [f"n{i}" for i in range(200)]
    nodes = [branching(name, *names[index + 1 : index + 30]) for index, name in enumerate(names[:-1])]
    assert messages({"nodes": [*nodes, node("n199")]}) == []


def test_a_workflow_has_no_recursion_limit() -> None:
    nodes = [node(f"n{i}", f"n{i + 1}") for i in range(199)] + [node("n199", "n0", maxVisits=2)]
    assert messages({"nodes": nodes}) == []


def test_a_name_with_a_dash_is_explained() -> None:
    nodes = [node("match-one", "b"), {"name": "b", "transform": {"output": "${nodes.match-one.output}"}}]
    found = messages({"nodes": nodes})
    assert any("nodes['match-one']" in message for message in found)


def test_an_edge_and_an_undoing_see_their_own_node() -> None:
    nodes = [
        {
            "name": "a",
            "tool": {"server": "s", "name": "t"},
            "next": [{"to": "b", "when": "${nodes.a.output.ok}"}],
            "compensate": {"tool": {"server": "s", "name": "u", "arguments": {"id": "${output.id}"}}},
        },
        node("b"),
    ]
    assert messages({"nodes": nodes}) == []


def test_the_path_from_finally_sees_every_node_before_it() -> None:
    tidy = {"name": "tidy", "transform": {"output": "${nodes.?a.output.orValue(null)}"}}
    assert messages({"nodes": [node("a"), tidy], "finally": "tidy"}) == []


INPUT = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "name": {"type": "string"},
        "count": {"type": "integer"},
        "amount": {"type": "number"},
        "tags": {"type": "array", "items": {"type": "string"}},
        "who": {"type": "object", "properties": {"age": {"type": "integer"}}},
    },
}


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("${input.count + 1}", ""),
        ("${input.amount + 1.0}", ""),
        ("${input.tags.exists(t, t.startsWith('a'))}", ""),
        ("${has(input.who.age) && input.who.age > 3 ? input.who.age + 1 : 0}", ""),
        ("${has(input.name) ? input.name : 'nobody'}", ""),
        ("${input.who.age > 3 && input.who.height > 3}", ""),
        ("${input}", ""),
        ("${input.count + 'x'}", "no matching overload"),
        ("${input.name.years}", "select"),
        ("${input.tags.exists(t, t > 5)}", "no matching overload"),
        ("${input.who.age.startsWith('a')}", "no matching overload"),
        ("${input.nmae}", "input has no field 'nmae' (did you mean 'name'?)"),
    ],
)
def test_expressions_are_checked_against_the_input_schema(template: str, message: str) -> None:
    agent = resource("Agent", {"instructions": template, "input": {"schema": INPUT}})
    found = [str(error) for error in validate(agent)]
    assert found == [] if not message else (len(found) == 1 and message in found[0])


def test_typed_variables_and_what_stays_untyped() -> None:
    assert variables_of("input", INPUT) == {
        "input": "dyn",
        "input.name": "string",
        "input.count": "int",
        "input.tags": "list<string>",
        "input.who.age": "int",
    }
    assert variables_of("input", None) == {"input": "dyn"}
    assert unknown_field(("input", "who", "x"), INPUT) is None
    agent = resource("Agent", {"instructions": "${input.amount}", "input": {"schema": INPUT}})
    assert untyped(agent) == ["spec.instructions"]
    assert untyped(resource("Agent", {"instructions": "${input.count}", "input": {"schema": INPUT}})) == []


@pytest.mark.parametrize("pattern", [r"^\d+$", "a|b*", "[(+]+x", r"(a|b)+", "(?:ab)?c+", "(a+)+", "(a|a)+$"])
def test_harmless_patterns(pattern: str) -> None:
    assert pattern_problem(pattern) is None


@pytest.mark.parametrize("pattern", ["(", "a" * 1001, "(?=a)b", r"(a)\1", "((a{100}){100}){100}"])
def test_refused_patterns(pattern: str) -> None:
    assert pattern_problem(pattern)


def test_routes_collide_by_shape() -> None:
    def shape(path: str) -> Any:
        spec = {"target": {"kind": "Agent", "name": "a"}, "http": {"path": path}}
        trigger = resource("Trigger", spec)
        assert isinstance(trigger, Trigger)
        return route_of(trigger)

    assert shape("/a/{id}/b") == shape("/a/{name}/b") == ("POST", "/a/{}/b")
    assert shape("/a/x/b") != shape("/a/{id}/b")


AGENT = {
    "instructions": "x",
    "tools": [{"server": "ledger", "names": ["list", "boook"]}, {"server": "files"}],
    "agents": [{"name": "helper"}],
    "memory": [{"collection": "invoices"}],
    "askPerson": {"policy": "reviewers"},
}

WORKFLOW = {
    "nodes": [
        {"name": "a", "tool": {"server": "ledger", "name": "list"}, "next": [{"to": "b"}]},
        {"name": "b", "map": {"items": "${nodes.a.output}", "workflow": "each"}, "next": [{"to": "c"}]},
        {
            "name": "c",
            "parallel": {
                "branches": [
                    {"name": "x", "agent": {"name": "matcher"}},
                    {"name": "y", "memory": {"collection": "invoices", "search": {"query": "q"}}},
                ]
            },
            "next": [{"to": "d"}],
            "compensate": {"workflow": {"name": "undo"}},
        },
        {"name": "d", "approval": {"policy": "reviewers", "title": "ok?"}},
    ]
}


def test_references_of_a_workflow() -> None:
    found = [(ref.kind, ref.name, ref.path, ref.part) for ref in references(resource("Workflow", WORKFLOW))]
    assert found == [
        ("MCPServer", "ledger", "spec.nodes[0].tool.server", ""),
        ("MCPServer", "ledger", "spec.nodes[0].tool.name", "list"),
        ("Workflow", "each", "spec.nodes[1].map.workflow", ""),
        ("Agent", "matcher", "spec.nodes[2].parallel.branches[0].agent.name", ""),
        ("MemoryCollection", "invoices", "spec.nodes[2].parallel.branches[1].memory.collection", ""),
        ("Workflow", "undo", "spec.nodes[2].compensate.workflow.name", ""),
        ("ApprovalPolicy", "reviewers", "spec.nodes[3].approval.policy", ""),
    ]


def test_references_of_other_kinds() -> None:
    target = {"target": {"kind": "Workflow", "name": "w"}, "event": {"type": "x"}}
    assert references(resource("Trigger", target)) == [Reference("Workflow", "w", "spec.target.name")]
    binding = {"role": "r", "subjects": [{"group": "g"}]}
    assert references(resource("AccessBinding", binding)) == [Reference("AccessRole", "r", "spec.role")]
    rule = {"rules": [{"name": "r", "effect": "requireApproval", "approval": "p"}]}
    assert references(resource("Policy", rule)) == [
        Reference("ApprovalPolicy", "p", "spec.rules[0].approval")
    ]


def test_references_that_do_not_resolve_heal() -> None:
    agent = resource("Agent", AGENT)
    store: dict[tuple[str, str], Resource] = {}

    def paths() -> list[str]:
        return [error.path for error in unresolved(agent, lambda kind, name: store.get((kind, name)))]

    assert len(paths()) == 8
    providers = [{"provider": "playbook", "playbook": "p.yaml"}]
    store["ModelRoute", "default"] = resource(
        "ModelRoute", {"tiers": [{"name": "cheap", "providers": providers}]}
    )
    store["Agent", "helper"] = resource("Agent", {"instructions": "x"})
    store["MemoryCollection", "invoices"] = resource("MemoryCollection", {})
    store["ApprovalPolicy", "reviewers"] = resource("ApprovalPolicy", {"approvers": [{"group": "g"}]})
    local = {"local": {"command": ["x"]}}
    store["MCPServer", "files"] = resource("MCPServer", local)
    store["MCPServer", "ledger"] = resource("MCPServer", local)
    assert paths() == ["spec.model.route"]
    tools = {"tools": [{"name": "list"}, {"name": "book"}]}
    store["MCPServer", "ledger"] = resource("MCPServer", local, status=tools)
    assert paths() == ["spec.model.route", "spec.tools[0].names[1]"]
    tools["tools"].append({"name": "boook"})
    store["MCPServer", "ledger"] = resource("MCPServer", local, status=tools)
    store["ModelRoute", "default"] = resource(
        "ModelRoute", {"tiers": [{"name": "standard", "providers": providers}]}
    )
    assert paths() == []
    store["MCPServer", "ledger"] = resource("MCPServer", {**local, "allowedTools": ["list"]}, status=tools)
    assert paths() == ["spec.tools[0].names[1]"]


def test_closure_follows_pinned_kinds_through_cycles() -> None:
    one = resource("Workflow", {"nodes": [{"name": "a", "workflow": {"name": "two"}}]}, "one")
    two = resource(
        "Workflow",
        {
            "nodes": [
                {"name": "a", "workflow": {"name": "one"}, "next": [{"to": "b"}]},
                {"name": "b", "agent": {"name": "gone"}},
            ]
        },
        "two",
    )
    store = {("Workflow", "one"): one, ("Workflow", "two"): two}
    found, missing = closure(one, lambda kind, name: store.get((kind, name)))
    assert found == [one, two]
    assert [ref.name for ref in missing] == ["gone"]
    assert {"Agent", "Workflow"} == PINNED_KINDS
    assert set(KINDS) == PINNED_KINDS | LIVE_KINDS


TIERS = [{"name": "t", "providers": [{"provider": "playbook", "playbook": "p.yaml"}]}]
TOOL = {"server": "s", "name": "t"}
KEYED = {**TOOL, "idempotencyKey": "${run.id}"}


@pytest.mark.parametrize(
    ("kind", "spec", "paths"),
    [
        ("Policy", {"rules": [{"name": "r", "effect": "deny", "when": "${cost > 1.0}"}]}, []),
        ("Policy", {"rules": [{"name": "r", "effect": "redact"}]}, ["spec.rules[0].effect"]),
        (
            "PlatformPolicy",
            {"rules": [{"name": "r", "effect": "deny", "when": "${'web' in taint}"}]},
            ["spec.rules[0].when"],
        ),
        ("ApprovalPolicy", {"approvers": [{"group": "g"}]}, []),
        ("ApprovalPolicy", {"approvers": [{"group": "g"}], "quorum": 2}, ["spec.quorum"]),
        ("ApprovalPolicy", {"approvers": [{"group": "g"}], "onExpiry": "proceed"}, ["spec.onExpiry"]),
        (
            "ApprovalPolicy",
            {"approvers": [{"group": "g"}], "onExpiry": "escalate", "escalateTo": "p"},
            ["spec.onExpiry", "spec.escalateTo"],
        ),
        (
            "ApprovalPolicy",
            {"approvers": [{"group": "g"}], "notify": [{"email": "a@example.org"}]},
            ["spec.notify"],
        ),
        ("MemoryCollection", {"graph": {"enabled": True}}, ["spec.graph.enabled"]),
        ("MemoryCollection", {"graph": {"enabled": False}}, []),
        ("MCPServer", {"container": {"image": "x", "command": ["y"]}}, ["spec.container"]),
        ("MCPServer", {"local": {"command": ["x"]}, "egress": ["example.org"]}, ["spec.egress"]),
        (
            "MCPServer",
            {
                "local": {"command": ["x"]},
                "isolation": "shared",
                "scaling": {"minReplicas": 1, "maxReplicas": 2, "warmPool": 1, "idleTimeout": "1m"},
            },
            ["spec.scaling." + name for name in ("minReplicas", "maxReplicas", "idleTimeout", "warmPool")],
        ),
        (
            "MCPServer",
            {
                "local": {"command": ["x"]},
                "isolation": "session",
                "scaling": {"maxReplicas": 1, "idleTimeout": "1m"},
            },
            [],
        ),
        ("Tenant", {}, []),
        ("Tenant", {"displayName": "A", "namespace": "a", "suspended": True, "quota": {}}, []),
        (
            "Tenant",
            {
                "quota": {"runningRuns": 1, "artifactBytes": 1},
                "budget": {"tokensPerMonth": 1},
                "region": "eu",
            },
            ["spec.quota.artifactBytes", "spec.region", "spec.budget"],
        ),
        (
            "Tenant",
            {
                "dataPlane": "b",
                "priority": 1,
                "weight": 2,
                "admins": [{"group": "g"}],
                "deletionPolicy": "Delete",
            },
            ["spec.dataPlane", "spec.deletionPolicy"],
        ),
        ("ModelRoute", {"tiers": TIERS, "cache": {"prompt": False, "responses": False}}, []),
        ("ModelRoute", {"tiers": TIERS, "cache": {"responses": True}}, ["spec.cache.responses"]),
        ("Policy", {"rules": [{"name": "r", "effect": "allow", "redact": ["a"]}]}, ["spec.rules[0].redact"]),
        ("AccessRole", {"rules": [{"verbs": ["get"], "kinds": ["agents"]}]}, []),
        ("AccessBinding", {"role": "r", "subjects": [{"group": "g"}]}, []),
        (
            "Workflow",
            {
                "nodes": [
                    {"name": "a", "tool": TOOL, "compensate": {"tool": KEYED}},
                    {"name": "b", "tool": KEYED},
                    {"name": "c", "parallel": {"branches": [{"name": "x", "tool": KEYED}], "join": "all"}},
                    {"name": "d", "map": {"items": "${input}", "tool": KEYED}},
                ]
            },
            [
                f"spec.nodes[{where}.idempotencyKey"
                for where in (
                    "0].compensate.tool",
                    "1].tool",
                    "2].parallel.branches[0].tool",
                    "3].map.tool",
                )
            ],
        ),
        ("Agent", {"instructions": "x"}, []),
    ],
)
def test_what_is_not_enforced_yet(kind: str, spec: Any, paths: list[str]) -> None:
    found = not_enforced(resource(kind, spec))
    assert [error.path for error in found] == paths
    assert all("not enforced yet" in error.message for error in found)


def test_a_cluster_enforces_more_of_a_tenant() -> None:
    spec = {"admins": [{"group": "g"}], "deletionPolicy": "Delete", "quota": {"toolServers": 3, "objects": 9}}
    tenant = resource("Tenant", spec)
    assert [error.path for error in not_enforced(tenant, in_cluster=True)] == ["spec.quota.objects"]
    assert len(not_enforced(tenant)) == 3


def test_a_cluster_knows_roles_of_its_own() -> None:
    subjects = {"subjects": [{"group": "g"}]}
    binding = resource("AccessBinding", {"role": "viewer", **subjects})
    assert not_enforced(binding, in_cluster=True) == references(binding) == []
    assert not_enforced(resource("AccessBinding", {"role": "clerks", **subjects}), in_cluster=True) == []
    binding = resource("AccessBinding", {"role": "platform-admin", **subjects})
    assert [error.path for error in not_enforced(binding, in_cluster=True)] == ["spec.role"]


@pytest.mark.parametrize(
    ("rule", "path"),
    [
        ({"verbs": ["get"], "kinds": ["runs"], "names": ["a", "b-*"]}, ".names[1]"),
        ({"verbs": ["get"], "kinds": ["agents", "runs/*"]}, ".kinds[1]"),
        ({"verbs": ["create"], "kinds": ["accessbindings"]}, ""),
        ({"verbs": ["update"], "kinds": ["accessroles"], "names": ["a"]}, ""),
        ({"verbs": ["*"], "kinds": ["accessroles"]}, ""),
        ({"verbs": ["create"], "kinds": ["*"]}, ""),
        ({"verbs": ["*"], "kinds": ["*"], "names": ["a"]}, ""),
        ({"verbs": ["*"], "kinds": ["*"]}, None),
        ({"verbs": ["update"], "kinds": ["*/cancel"]}, None),
        ({"verbs": ["get", "delete"], "kinds": ["accessroles", "*"]}, None),
    ],
)
def test_what_a_clusters_role_cannot_say_or_must_not(rule: dict[str, Any], path: str | None) -> None:
    fine = {"verbs": ["get"], "kinds": ["agents"]}
    role = resource("AccessRole", {"rules": [fine, rule]}, "clerks")
    found = [error.path for error in not_enforced(role, in_cluster=True)]
    assert found == ([] if path is None else [f"spec.rules[1]{path}"])
    assert not_enforced(role) == []


def test_rules_in_the_words_of_a_cluster() -> None:
    rules = [
        {"verbs": ["get", "update"], "kinds": ["agents", "runs/cancel"]},
        {"verbs": ["create"], "kinds": ["runs"], "names": ["a"]},
    ]
    assert rules_in_cluster(resource("AccessRole", {"rules": rules}, "clerks").spec) == [
        {
            "apiGroups": ["quarterdeck.dev"],
            "resources": ["agents", "runs/cancel"],
            "verbs": ["get", "update", "patch"],
        },
        {
            "apiGroups": ["quarterdeck.dev"],
            "resources": ["runs"],
            "resourceNames": ["a"],
            "verbs": ["create"],
        },
    ]


def test_a_role_with_the_name_of_ours_is_told_so() -> None:
    rules = {"rules": [{"verbs": ["decide"], "kinds": ["approvals/decide"]}]}
    assert [error.path for error in not_enforced(resource("AccessRole", rules, "viewer"))] == [
        "metadata.name"
    ]
    assert not_enforced(resource("AccessRole", rules, "looker")) == []


@pytest.mark.parametrize(
    ("kind", "known"),
    [
        ("agents", True),
        ("runs/cancel", True),
        ("*", True),
        ("runs/*", True),
        ("*/call", True),
        ("*/*", True),
        ("agentz", False),
        ("agents/cancel", False),
        ("agents/*", False),
        ("run/*", False),
        ("*/fly", False),
    ],
)
def test_a_role_speaks_of_what_there_is(kind: str, known: bool) -> None:
    spec = {"rules": [{"verbs": ["get"], "kinds": ["workflows"]}, {"verbs": ["*"], "kinds": ["tools", kind]}]}
    found = validate(resource("AccessRole", spec))
    assert [error.path for error in found] == ([] if known else ["spec.rules[1].kinds[1]"])
    if kind == "agentz":
        assert "agents" in found[0].hint
