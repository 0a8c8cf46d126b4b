"""Random requests: whatever is sent, the answer is never the platform's own fault."""

from __future__ import annotations

import copy
import json
import os
import string
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from badinput_support import LivePlatform, manifest, problem_of, workflow
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

EXAMPLES = int(os.environ.get("QD_TEST_FUZZ", "60"))
fuzz = settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    # The same examples at every run, unless somebody asks for more of them.
    derandomize="QD_TEST_FUZZ" not in os.environ,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

TENANT = "/api/v1/tenants/default"
TEXT = st.text(max_size=20) | st.sampled_from(
    ["", " ", "\x00", "..", "/", "%2e%2e%2f", "${input}", "${", "${1/0}", "null", "\u202e", "é" * 300, "-1"]
)
# JSON can say half of a character; UTF-8 cannot.
HALF = st.sampled_from(["\ud800", "a\udfffb"])
NUMBERS = st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT | HALF,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT | HALF, inner, max_size=4),
    max_leaves=12,
)
NAMES = st.sampled_from(["neighbour", "fuzzed", "no-such", "Neighbour", "", "a" * 300, "\x00"]) | TEXT


def answered(answer: httpx.Response) -> None:
    """The request was served, or refused with a problem that says why."""
    assert answer.status_code < 500, (answer.status_code, answer.request.content[:2000], answer.text[:2000])
    if answer.status_code >= 400:
        problem_of(answer, answer.status_code)


def send(platform: LivePlatform, method: str, path: str, body: Any) -> httpx.Response:
    content = json.dumps(body).encode()
    return platform.http.request(method, path, content=content, headers={"Content-Type": "application/json"})


# -- a valid body, changed at a few places --------------------------------------------------------


def paths(value: Any, before: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [before] if before else []
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in inner:
        found += paths(part, (*before, key))
    return found


def replaced(value: Any, path: tuple[Any, ...], new: Any) -> None:
    *way, last = path
    try:
        for key in way:
            value = value[key]
        value[last] = new
    except (KeyError, IndexError, TypeError):  # an earlier change took that place away
        return


def removed(value: Any, path: tuple[Any, ...], _new: Any) -> None:
    *way, last = path
    try:
        for key in way:
            value = value[key]
        del value[last]
    except (KeyError, IndexError, TypeError):
        return


def added(value: Any, path: tuple[Any, ...], new: Any) -> None:
    replaced(value, (*path, "extra"), new)


CHANGES: tuple[Callable[[Any, tuple[Any, ...], Any], None], ...] = (replaced, removed, added)


def changed(*bodies: Any) -> st.SearchStrategy[Any]:
    """One of these bodies, with up to three changes."""

    @st.composite
    def draw_one(draw: st.DrawFn) -> Any:
        body = copy.deepcopy(draw(st.sampled_from(bodies)))
        for _ in range(draw(st.integers(1, 3))):
            places = paths(body)
            if places:
                draw(st.sampled_from(CHANGES))(body, draw(st.sampled_from(places)), draw(VALUES))
        return body

    return draw_one()


RUN = {
    "kind": "Workflow",
    "name": "neighbour",
    "input": {"text": "x"},
    "labels": {"a": "b"},
    "session": "s",
    "key": "k",
    "keyConflict": "join",
    "priority": 1,
    "signal": {"name": "go", "payload": {"a": 1}, "id": "1"},
}
MANIFESTS = (
    workflow(
        "fuzzed",
        {
            "name": "a",
            "tool": {"server": "friendly", "name": "echo", "arguments": {"text": "${input.text}"}},
            "next": [{"to": "b", "when": "${output.text != ''}"}],
            "retry": [{"errors": ["tool"], "attempts": 2, "delay": "1s"}],
            "catch": [{"errors": ["*"], "to": "b"}],
            "timeout": "30s",
            "compensate": {"tool": {"server": "friendly", "name": "echo", "arguments": {"text": "undo"}}},
        },
        {"name": "b", "decision": {"cases": [{"when": "${true}", "to": "c"}], "otherwise": "c"}},
        {
            "name": "c",
            "map": {"items": "${input.rows}", "workflow": "neighbour", "input": {"text": "${item}"}},
        },
        input={"schema": {"type": "object", "properties": {"text": {"type": "string", "pattern": "^a"}}}},
        output={"x": "${nodes.c.output}"},
        timeout="1h",
        budget={"costUsd": 1, "tokens": 5},
    ),
    workflow(
        "fuzzed",
        {"name": "a", "wait": {"signal": {"name": "go", "schema": {"type": "object"}, "timeout": "1d"}}},
    ),
    workflow(
        "fuzzed",
        {
            "name": "p",
            "parallel": {
                "branches": [
                    {"name": "x", "transform": {"output": 1}},
                    {"name": "y", "approval": {"policy": "anybody", "title": "t", "data": {"n": 1}}},
                ],
                "join": "any",
            },
            "maxVisits": 3,
            "next": [{"to": "p", "when": "${size(nodes.p.output) > 0}"}],
        },
        finally_="p",
    ),
    manifest(
        "Agent",
        "fuzzed",
        {
            "instructions": "Say ${input.text}",
            "model": {"route": "default", "tier": "standard", "maxTokens": 10, "temperature": 0},
            "tools": [{"server": "friendly", "names": ["echo"]}],
            "memory": [{"collection": "notes", "access": "readWrite"}],
            "output": {"schema": {"type": "object"}},
            "limits": {"turns": 2, "tokens": 100, "costUsd": 0.1, "timeout": "1m"},
            "approvals": [{"server": "friendly", "names": ["echo"], "policy": "anybody"}],
        },
        labels={"a": "b"},
    ),
    manifest(
        "ModelRoute",
        "fuzzed",
        {
            "tiers": [{"name": "t", "providers": [{"provider": "openai", "model": "m"}]}],
            "limits": {"timeout": "1s"},
            "prices": [{"model": "m", "inputPerMillionUsd": 1, "outputPerMillionUsd": 2}],
        },
    ),
    manifest(
        "MCPServer",
        "fuzzed",
        {
            "remote": {"url": "http://127.0.0.1:9/mcp", "headers": {"a": "b"}},
            "tools": [{"name": "x", "check": {"tool": "y", "arguments": {}, "done": "${true}"}}],
            "limits": {"callTimeout": "1s"},
        },
    ),
    manifest(
        "Policy",
        "fuzzed",
        {"rules": [{"name": "r", "match": {"tools": ["fuzzed/*"]}, "when": "${cost > 1}", "effect": "deny"}]},
    ),
    manifest(
        "Trigger",
        "fuzzed",
        {
            "target": {"kind": "Workflow", "name": "neighbour"},
            "cron": {"schedule": "0 9 * * *", "timeZone": "Europe/Brussels"},
            "input": {"text": "x"},
            "paused": True,
        },
    ),
    manifest("ApprovalPolicy", "fuzzed", {"approvers": [{"group": "g"}], "expiresAfter": "7d"}),
    manifest("MemoryCollection", "fuzzed", {"payload": {"a": "keyword"}, "retention": {"ttl": "90d"}}),
)
PLURALS = (
    "workflows",
    "agents",
    "modelroutes",
    "mcpservers",
    "policies",
    "triggers",
    "approvalpolicies",
    "memorycollections",
)


@fuzz
@given(body=changed(RUN) | VALUES)
def test_starting_runs(platform: LivePlatform, body: Any) -> None:
    answered(send(platform, "POST", f"{TENANT}/runs", body))


@settings(fuzz, max_examples=EXAMPLES * 3)
@given(body=changed(*MANIFESTS), dry=st.booleans())
def test_applying_manifests(platform: LivePlatform, body: Any, dry: bool) -> None:
    kind = body.get("kind") if isinstance(body, dict) else None
    plural = dict(zip((m["kind"] for m in MANIFESTS[2:]), PLURALS, strict=True)).get(str(kind), "workflows")
    query = "?dryRun=true" if dry else ""
    answered(send(platform, "PUT", f"{TENANT}/{plural}/fuzzed{query}", body))


@fuzz
@given(body=VALUES, plural=st.sampled_from(PLURALS))
def test_applying_anything(platform: LivePlatform, body: Any, plural: str) -> None:
    answered(send(platform, "PUT", f"{TENANT}/{plural}/fuzzed", body))
    answered(send(platform, "POST", f"{TENANT}/{plural}", body))


DECISION = {"approve": True, "comment": "c", "answer": {"a": 1}, "dataHash": "0" * 64}


@pytest.fixture(scope="module")
def open_things(_shared_platform: LivePlatform) -> dict[str, str]:
    """An open approval, and a run that waits for a signal."""
    ask = {
        "name": "a",
        "approval": {"policy": "nobody-yet", "title": "t", "data": {"n": 1}, "editable": True},
    }
    policy = {"approvers": [{"principal": "somebody"}], "requireComment": True}
    wait = {"name": "a", "wait": {"signal": {"name": "never", "schema": {"type": "object"}}}}
    _shared_platform.apply(
        manifest("ApprovalPolicy", "nobody-yet", policy),
        workflow("asked", ask),
        workflow("endless-wait", wait),
    )
    asked = _shared_platform.start_run("Workflow", "asked")
    _shared_platform.wait(asked, "waiting")
    (approval,) = _shared_platform.get("approvals", run=asked)["items"]
    waiting = _shared_platform.start_run("Workflow", "endless-wait")
    return {"approval": approval["id"], "run": waiting}


@fuzz
@given(body=changed(DECISION) | VALUES, known=st.booleans(), name=NAMES)
def test_deciding_approvals(
    platform: LivePlatform, open_things: dict[str, str], body: Any, known: bool, name: str
) -> None:
    which = open_things["approval"] if known else quote(name or "x", safe="")
    answered(send(platform, "POST", f"{TENANT}/approvals/{which}/decision", body))


@fuzz
@given(
    body=changed(
        {"name": "go", "payload": {"a": 1}, "id": "x"},
        {"reason": "r"},
        {"resolution": "done", "outcome": {"a": 1}, "effectId": "e1"},
        {"beforeSeq": 3, "dryRun": True},
        {"dryRun": True},
    )
    | VALUES,
    verb=st.sampled_from(["signal", "resume", "repin", "fork"]),
)
def test_steering_runs(platform: LivePlatform, open_things: dict[str, str], body: Any, verb: str) -> None:
    answered(send(platform, "POST", f"{TENANT}/runs/{open_things['run']}/{verb}", body))


@fuzz
@given(
    body=changed(
        {"query": "q", "limit": 3, "filter": {"a": "b"}, "minScore": 0.5},
        {"items": [{"id": "1", "text": "t", "payload": {"topic": "x"}}]},
        {"arguments": {"text": "x"}, "timeoutSeconds": 5},
        {"payload": {"a": 1}, "fireId": "1"},
        {"specversion": "1.0", "id": "1", "source": "/s", "type": "t", "data": {}},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}], "maxTokens": 5},
    )
    | VALUES,
    path=st.sampled_from(
        [
            "memories/fuzz-notes/search",
            "memories/fuzz-notes",
            "tools/friendly/echo/call",
            "tools/friendly/no-such/call",
            "triggers/no-such/fire",
            "events",
            "agents/no-such/ag-ui",
        ]
    ),
)
def test_everything_else_that_takes_a_body(platform: LivePlatform, body: Any, path: str) -> None:
    answered(send(platform, "POST", f"{TENANT}/{path}", body))


LISTS = [*PLURALS, "runs", "approvals", "tools", "memories/fuzz-notes", "models", "runs/{run}/events"]


@fuzz
@given(
    path=st.sampled_from(LISTS),
    query=st.dictionaries(
        st.sampled_from(
            [
                *("limit", "continue", "orderBy", "labelSelector", "state", "kind", "name", "run", "roots"),
                *("session", "parent", "server", "afterSeq", "resourceVersion", "dryRun", "filter"),
            ]
        ),
        TEXT | st.sampled_from(["0", "1", "99999999999999999999", "a in (", "!", "a=b,c", "-created"]),
        max_size=4,
    ),
)
def test_lists(platform: LivePlatform, open_things: dict[str, str], path: str, query: dict[str, str]) -> None:
    answered(platform.http.get(f"{TENANT}/{path.format(run=open_things['run'])}", params=query))


PATHS = (
    ("GET", "workflows/{}"),
    ("DELETE", "workflows/{}"),
    ("GET", "workflows/{}/revisions"),
    ("GET", "runs/{}"),
    ("POST", "runs/{}/cancel"),
    ("GET", "runs/{}/events"),
    ("GET", "runs/{}/effects"),
    ("GET", "approvals/{}"),
    ("POST", "tools/{}/echo/call"),
    ("POST", "tools/friendly/{}/call"),
    ("GET", "memories/{}/x"),
    ("GET", "memories/fuzz-notes/{}"),
    ("DELETE", "memories/fuzz-notes/{}"),
    ("GET", "artifacts/{}"),
)
# What is no segment of a path, and what exists: its deletion, or a server that is away, is no fault.
THERE = ("", ".", "..", "neighbour", "fuzzed")
HEADERS = ("Last-Event-ID", "Idempotency-Key", "Accept", "X-Request-Id", "traceparent")


@settings(fuzz, max_examples=EXAMPLES * 2)
@given(
    where=st.sampled_from(PATHS),
    name=NAMES.filter(lambda name: name not in THERE),
    headers=st.dictionaries(
        st.sampled_from(HEADERS), st.text(st.characters(min_codepoint=32, max_codepoint=126))
    ),
)
def test_names_in_paths_and_headers(
    platform: LivePlatform, where: tuple[str, str], name: str, headers: dict[str, str]
) -> None:
    method, path = where
    headers = {key: value.strip() for key, value in headers.items()}
    address = f"{TENANT}/{path.format(quote(name, safe=''))}"
    answered(platform.http.request(method, address, headers=headers))


@fuzz
@given(
    content=st.binary(max_size=200)
    | st.sampled_from([b"{", b"[]", b"\xff\xfe", b"{}" * 50, b'{"a":1}{"b":2}']),
    header=st.sampled_from(
        ["application/json", "text/plain", "", "application/json; charset=utf-16", "/", ";;=", "é".encode()]
    ),
    method=st.sampled_from(["POST", "PUT", "PATCH", "DELETE", "GET", "OPTIONS"]),
    path=st.sampled_from(
        ["runs", "workflows/fuzzed", "approvals/x/decision", "%00", "..%2f..%2f", "runs/%ff", ""]
    ),
)
def test_bytes_that_are_no_request(
    platform: LivePlatform, content: bytes, header: str, method: str, path: str
) -> None:
    headers = {"Content-Type": header} if header else {}
    answered(platform.http.request(method, f"{TENANT}/{path}", content=content, headers=headers))


def test_labels_and_names_of_every_alphabet(platform: LivePlatform) -> None:
    for name in ("Ünïcode", "a b", "-a", "a-", "A", "a.b", string.punctuation, "a" * 64):
        body = workflow("x", {"name": "a", "transform": {"output": 1}})
        body["metadata"]["name"] = name
        problem_of(platform.http.post(f"{TENANT}/workflows", json=body), 400)
