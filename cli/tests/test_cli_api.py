"""The REST client against a real HTTP server."""

from __future__ import annotations

from typing import Any

import pytest

from quarterdeck.cli.api import PREFIX, Api, ApiError
from quarterdeck.cli.constants import (
    EXIT_CONFLICT,
    EXIT_DENIED,
    EXIT_INVALID,
    EXIT_NOT_FOUND,
    EXIT_UNREACHABLE,
    EXIT_USAGE,
)
from quarterdeck.cli.contexts import Connection, resolve
from quarterdeck.cli.errors import CliError


def test_an_error_shows_field_hint_and_violations(gateway: Any, make_answer: Any) -> None:
    problem = {
        "detail": "the input breaks the schema",
        "reason": "InvalidArgument",
        "hint": "see the workflow's input",
        "violations": [
            {"field": "input.month", "message": "required"},
            {"field": "input.x", "message": "unknown"},
        ],
    }
    gateway.on("POST /tenants/default/runs", make_answer(problem, 400))
    with Api(resolve()) as api, pytest.raises(ApiError) as caught:
        api.post(api.tenant_path("runs"), {})
    assert caught.value.code == EXIT_INVALID
    assert caught.value.lines() == [
        "error: the input breaks the schema",
        "  input.month: required",
        "  input.x: unknown",
        "hint: see the workflow's input",
    ]


@pytest.mark.parametrize(
    ("status", "code"), [(401, EXIT_DENIED), (403, EXIT_DENIED), (404, EXIT_NOT_FOUND), (409, EXIT_CONFLICT)]
)
def test_a_status_has_an_exit_code(gateway: Any, make_answer: Any, status: int, code: int) -> None:
    gateway.on("GET /x", make_answer({"detail": "no"}, status))
    with Api(resolve()) as api, pytest.raises(ApiError) as caught:
        api.get("/x")
    assert caught.value.code == code


def test_an_answer_that_is_no_problem_json_is_still_one_line(gateway: Any, make_answer: Any) -> None:
    gateway.on("GET /x", make_answer(status=502, raw=b"<html>bad gateway</html>"))
    with Api(resolve()) as api, pytest.raises(ApiError, match="the gateway answered 502"):
        api.get("/x")


def test_pages_are_joined_and_bounded(gateway: Any, make_answer: Any) -> None:
    def page(request: Any) -> Any:
        start = int(request.query.get("continue", 0))
        size = int(request.query["limit"])
        items = [{"n": n} for n in range(start, min(start + min(size, 2), 5))]
        last = start + len(items)
        return make_answer({"items": items, "continue": str(last) if last < 5 else None})

    gateway.on("GET /x", page)
    with Api(resolve()) as api:
        assert [item["n"] for item in api.pages("/x")] == [0, 1, 2, 3, 4]
        assert [item["n"] for item in api.pages("/x", limit=3)] == [0, 1, 2]


def test_a_broken_stream_goes_on_where_it_broke(gateway: Any, make_answer: Any, make_event: Any) -> None:
    def stream(request: Any) -> Any:
        if request.headers.get("last-event-id") == "2":
            return make_answer(events=[make_event(3, "c")])
        return make_answer(events=[": hello\n\n", make_event(1, "a"), make_event(2, "b")], cut=True)

    gateway.on("GET /events", stream)
    with Api(resolve()) as api:
        assert [found.id for found in api.events("/events")] == ["1", "2", "3"]


def test_a_stream_that_is_refused_is_an_error(gateway: Any, make_answer: Any) -> None:
    gateway.on("GET /events", make_answer({"detail": "no such run"}, 404))
    with Api(resolve()) as api, pytest.raises(ApiError, match="no such run"):
        list(api.events("/events"))


def test_nobody_listening_says_what_to_do(unused_tcp_port: int) -> None:
    api = Api(Connection(f"http://127.0.0.1:{unused_tcp_port}", "t", "default"))
    with api, pytest.raises(CliError) as caught:
        api.get("/x")
    assert caught.value.code == EXIT_UNREACHABLE
    assert "qd up" in caught.value.hint


def test_names_in_paths_are_quoted() -> None:
    with Api(Connection("http://127.0.0.1:1", "t", "a/b")) as api:
        assert api.tenant_path("agents", "x y?") == "/tenants/a%2Fb/agents/x%20y%3F"


@pytest.mark.parametrize(
    ("name", "raw"), [("..", "%2E%2E"), (".", "%2E"), ("../x", "..%2Fx"), ("a/b", "a%2Fb"), ("50%", "50%25")]
)
def test_no_name_leads_elsewhere(gateway: Any, name: str, raw: str) -> None:
    """Not even past the HTTP library, which takes the steps of a path that it sees."""
    with Api(resolve()) as api:
        request = api._http.build_request("DELETE", PREFIX + api.tenant_path("agents", name))
    assert request.url.raw_path == f"/api/v1/tenants/default/agents/{raw}".encode()


def test_an_empty_name_is_refused() -> None:
    with Api(Connection("http://127.0.0.1:1", "t", "default")) as api, pytest.raises(CliError) as refused:
        api.delete(api.tenant_path("agents", ""))
    assert refused.value.code == EXIT_USAGE


def test_an_address_that_is_none_is_refused() -> None:
    with pytest.raises(CliError, match="not an http or https address"):
        Api(Connection("localhost:8420", "t", "default"))
