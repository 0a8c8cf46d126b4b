"""Models that misbehave, over the real wire formats of both providers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from badinput_support import LivePlatform, Model, error_of, manifest, workflow

from quarterdeck.llm.testing import Call, Fault, Reply

ANSWER = Reply('{"n": 1}')
OUTPUT = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
TURNS = 4


@pytest.fixture(scope="module", params=["anthropic", "openai"])
def model(request: pytest.FixtureRequest, _shared_platform: LivePlatform) -> Iterator[Model]:
    """A provider behind the route "wire", and an agent that uses it."""
    model = Model()
    base = model.url if request.param == "anthropic" else f"{model.url}/v1"
    provider = {
        "provider": request.param,
        "model": "test-model",
        "baseUrl": base,
        "credential": {"env": "MODEL_KEY"},
    }
    tiers = [{"name": "standard", "providers": [provider]}]
    _shared_platform.apply(
        manifest("ModelRoute", "wire", {"tiers": tiers, "limits": {"timeout": "60s", "maxRetries": 1}}),
        manifest("ModelRoute", "hasty", {"tiers": tiers, "limits": {"timeout": "1s", "maxRetries": 1}}),
        manifest("ApprovalPolicy", "anybody", {"approvers": [{"group": "quarterdeck:platform-admins"}]}),
        manifest("MemoryCollection", "notes", {"payload": {"topic": "keyword"}}),
        agent("worker", tools=[{"server": "friendly"}], output={"schema": OUTPUT}),
        agent("hasty-worker", model={"route": "hasty"}),
        agent(
            "chief",
            agents=[{"name": "worker", "description": "does it"}],
            memory=[{"collection": "notes", "access": "readWrite"}],
            askPerson={"policy": "anybody"},
        ),
    )
    yield model
    model.close()


def agent(name: str, **spec: Any) -> dict[str, Any]:
    # Half a million characters are reserved before they are sent.
    limits = {"turns": TURNS, "timeout": "1m", "tokens": 5_000_000}
    return manifest(
        "Agent", name, {"instructions": "Do it.", "model": {"route": "wire"}, "limits": limits, **spec}
    )


def call(name: str, arguments: Any = None, **more: Any) -> Reply:
    return Reply(calls=(Call(name, arguments or {}, **more),))


def told(model: Model) -> str:
    """What the model was sent last."""
    return str(model.requests[-1].body)


# -- a malformed call ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ('{"text": ', "not a JSON object: Expecting value"),
        ('["text"]', "not a JSON object"),
        ('{"text": NaN}', "NaN is not JSON"),
        ('{"text": ' + "[" * 300 + "]" * 300 + "}", "depth"),
        ('{"text": "\\ud83d"}', "no valid JSON or Unicode"),
    ],
)
def test_malformed_calls_are_asked_for_once_more_then_fail_the_run(
    platform: LivePlatform, model: Model, raw: str, words: str
) -> None:
    model.answers(call("echo", raw=raw), ANSWER)
    assert platform.go("Agent", "worker", "go")["output"] == {"n": 1}
    model.answers(call("echo", raw=raw))
    run = platform.go("Agent", "worker", "go")
    error = error_of(run)
    assert (error["class"], error["code"], error["step"]) == ("model", "malformed_output", "model-1")
    assert words in error["message"]
    assert run["tokens"] > 0, "what a refused answer took is paid for all the same"


def test_two_calls_of_one_id_are_malformed(platform: LivePlatform, model: Model) -> None:
    twins = Reply(calls=(Call("echo", {"text": "a"}, id="t"), Call("echo", {"text": "b"}, id="t")))
    model.answers(twins)
    assert "the same id 't'" in error_of(platform.go("Agent", "worker", "go"))["message"]


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (call("rm_rf", {"path": "/"}), "there is no tool named 'rm_rf'"),
        (call("echo", {"text": 7}), "arguments.text: 7 is not of type 'string'"),
        (call("echo", {}), "'text' is a required property"),
    ],
)
def test_a_wrong_call_is_told_to_the_model_which_may_do_better(
    platform: LivePlatform, model: Model, reply: Reply, words: str
) -> None:
    model.answers(reply, ANSWER)
    assert platform.go("Agent", "worker", "go")["output"] == {"n": 1}
    assert words.replace("'", "") in told(model).replace("'", "").replace("\\", "")


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (call("worker", {"task": 5}), "no such field: task"),
        (call("memory_search", {"collection": "notes", "query": "x", "limit": "many"}), "arguments.limit"),
        (call("memory_search", {"collection": "secrets", "query": "x"}), "secrets is not one of"),
        (call("memory_save", {"collection": "notes", "id": "1"}), "text is a required property"),
        (
            call("memory_save", {"collection": "notes", "id": "1", "text": "t", "payload": {"x": 1}}),
            "items[0].payload.x is not in the collections spec.payload",
        ),
        (call("ask_person", {"about": "x"}), "no such field: about"),
    ],
)
def test_the_platforms_own_tools_check_their_arguments_too(
    platform: LivePlatform, model: Model, reply: Reply, words: str
) -> None:
    model.answers(reply, Reply("done"))
    run = platform.go("Agent", "chief", "go")
    assert (run["state"], run["output"]) == ("succeeded", "done"), run
    assert words in told(model).replace("'", "").replace("\\", "")
    assert platform.get("runs", parent=run["id"])["items"] == []


# -- without end ---------------------------------------------------------------------------------


@pytest.mark.parametrize("reply", [call("echo", {"text": "again"}), call("rm_rf")])
def test_an_endless_loop_ends_at_the_turn_limit(platform: LivePlatform, model: Model, reply: Reply) -> None:
    model.answers(reply)
    error = error_of(platform.go("Agent", "worker", "go"))
    assert (error["class"], error["limit"]) == ("limit", "turns")
    assert f"{TURNS} model turns" in error["message"]
    assert "spec.limits.turns" in error["hint"]
    assert len(model.requests) == TURNS


def test_a_playbook_that_loops_ends_at_the_turn_limit(platform: LivePlatform) -> None:
    again = {"name": "again", "call": [{"tool": "echo", "arguments": {"text": "again"}}]}
    playbook = {"kind": "Playbook", "name": "loop", "agents": {"looping": {"rules": [again]}}}
    tiers = [{"name": "standard", "providers": [{"provider": "playbook", "playbook": playbook}]}]
    looping = agent("looping", tools=[{"server": "friendly"}], model={"route": "loop"})
    platform.apply(manifest("ModelRoute", "loop", {"tiers": tiers}), looping)
    run_id = platform.start_run("Agent", "looping", "go")
    platform.serves_others()
    assert error_of(platform.wait(run_id))["limit"] == "turns"


def test_two_hundred_calls_in_one_answer_are_all_made(platform: LivePlatform, model: Model) -> None:
    calls = tuple(Call("echo", {"text": f"number {n}"}) for n in range(200))
    model.answers(Reply(calls=calls), ANSWER)
    run = platform.go("Agent", "worker", "go", timeout=60)
    assert run["output"] == {"n": 1}
    assert len(platform.get(f"runs/{run['id']}/effects")["items"]) == 202


# -- answers that are none -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (Reply("no json at all"), "begins with 'no json at all'"),
        (Reply('{"n": "one"}'), "$.n: 'one' is not of type 'integer'"),
        (Reply('{"n": NaN}'), "NaN is not JSON"),
        (Reply(""), "not JSON"),
        (Reply('{"n":', stop="length"), "cut off at the token limit"),
    ],
)
def test_an_answer_that_breaks_the_output_schema_twice_fails_the_run(
    platform: LivePlatform, model: Model, reply: Reply, words: str
) -> None:
    model.answers(reply, ANSWER)
    assert platform.go("Agent", "worker", "go")["output"] == {"n": 1}, "one request to mend it is made"
    model.answers(reply)
    error = error_of(platform.go("Agent", "worker", "go"))
    assert error["class"] == "validation"
    assert words in error["message"]
    assert len(model.requests) == 2


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (Fault(401, "wrong key"), "authentication_failed"),
        (Fault(400, "no such model"), "invalid_request"),
        (Fault(500, "oops"), "unavailable"),
        (Fault(503, "too busy"), "overloaded"),
        (Reply("This is cut off", cut_after=2), "stream_interrupted"),
        (Reply("This goes silent", silent_after=2), "timeout"),
        (Reply("", stop="refusal"), "refused"),
        (Reply("x", stop="unknown"), "malformed_output"),
    ],
)
def test_a_provider_that_fails_is_named_with_its_reason(
    platform: LivePlatform, model: Model, reply: Reply | Fault, code: str
) -> None:
    model.answers(reply)
    run_id = platform.start_run("Agent", "hasty-worker" if code == "timeout" else "worker", "go")
    platform.serves_others()
    error = error_of(platform.wait(run_id))
    assert error["code"] == code
    assert error["step"] == "model-1"
    assert error["provider"] in ("anthropic", "openai")
    if isinstance(reply, Fault):
        assert error["httpStatus"] == reply.status
        assert reply.message in error["message"]


def test_a_failed_child_says_who_failed(platform: LivePlatform, model: Model) -> None:
    node = {"name": "ask", "agent": {"name": "worker", "input": "go"}}
    platform.apply(workflow("asks", node))
    model.answers(Fault(400, "no such model"))
    error = error_of(platform.go("Workflow", "asks"))
    assert (error["node"], error["childName"]) == ("ask", "worker")
    assert "no such model" in error["message"]


def test_a_route_without_a_key_says_what_to_set(platform: LivePlatform) -> None:
    provider = {"provider": "anthropic", "model": "m", "credential": {"env": "KEY_THAT_NOBODY_SET"}}
    tiers = [{"name": "standard", "providers": [provider]}]
    platform.apply(
        manifest("ModelRoute", "keyless", {"tiers": tiers}), agent("poor", model={"route": "keyless"})
    )
    error = error_of(platform.go("Agent", "poor", "go"))
    assert error["code"] == "no_provider"
    assert "KEY_THAT_NOBODY_SET" in error["hint"]


# -- large ---------------------------------------------------------------------------------------


def test_large_arguments_and_inputs_become_artifacts(platform: LivePlatform, model: Model) -> None:
    model.answers(call("echo", {"text": "y" * 100_000}), ANSWER)
    run = platform.go("Agent", "worker", "x" * 500_000, timeout=60)
    assert run["state"] == "succeeded", run
    assert len(str(model.requests[0].body)) > 500_000
    model.answers(call("echo", {"text": "y" * 270_000}), ANSWER)
    assert platform.go("Agent", "worker", "go", timeout=60)["output"] == {"n": 1}
    assert "at most 262,144 are taken" in told(model), "the model is told how much a tool takes"


def test_a_long_conversation_stays_a_conversation(platform: LivePlatform, model: Model) -> None:
    """The history of a session grows beyond what one event of the journal holds."""
    platform.apply(agent("talker"))
    for turn in range(4):
        model.answers(Reply(f"answer {turn}"))
        question = f"question {turn} " + "z" * 30_000
        run = platform.wait(platform.start_run("Agent", "talker", question, session="long"))
        assert (run["state"], run["output"]) == ("succeeded", f"answer {turn}"), run
    assert "question 0" in told(model)
    assert "answer 2" in told(model)
