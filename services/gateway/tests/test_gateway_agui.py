"""AG-UI: the mapping, its ids, and the chat endpoint."""

import json

import pytest
from ag_ui.core import Event
from pydantic import TypeAdapter

from quarterdeck.common.errors import InvalidArgument
from quarterdeck.gateway.agui.mapper import Mapper
from quarterdeck.gateway.agui.position import Position
from quarterdeck.v1 import approvals_pb2, runs_pb2

T = "/api/v1/tenants/default"
PROTOCOL = TypeAdapter(Event)


def text(value):
    return {"type": "text", "text": value}


def assistant(*blocks):
    return {"message": {"role": "assistant", "content": list(blocks)}, "turn": 1}


USE = {"type": "toolUse", "id": "use-1", "name": "search", "arguments": {"q": "x"}}
AGENT = [
    (1, "run.started", {"kind": "Agent", "name": "a", "session": "s"}),
    (2, "message.appended", {"message": {"role": "user", "content": [text("hi")]}}),
    (3, "step.started", {"step": "model-1", "node": "model-1", "kind": "model"}),
    (4, "effect.intent", {"effect": "e1", "step": "model-1", "kind": "model", "target": {"turn": 1}}),
    (0, "model.delta", {"text": "Let me "}),
    (0, "model.delta", {"text": "look"}),
    (5, "effect.outcome", {"effect": "e1", "status": "ok", "result": {}}),
    (7, "message.appended", assistant(text("Let me look."), USE)),
    (8, "step.started", {"step": "model-1/use-1", "node": "use-1", "kind": "use"}),
    (9, "effect.intent", {"effect": "e2", "step": "model-1/use-1", "kind": "tool",
                          "target": {"server": "s", "tool": "search"}, "arguments": {"q": "x"}}),
    (10, "effect.outcome", {"effect": "e2", "status": "ok", "result": {"hits": 2}}),
    (11, "step.completed", {"step": "model-1/use-1"}),
    (12, "message.appended", {"results": ["use-1"]}),
    (13, "approval.requested", {"approval": "a1", "title": "Book?"}),
    (14, "approval.decided", {"approval": "a1", "approved": True}),
    (15, "step.started", {"step": "model-2", "node": "model-2", "kind": "model"}),
    (16, "effect.intent", {"effect": "e3", "step": "model-2", "kind": "model", "target": {"turn": 2}}),
    (17, "effect.outcome", {"effect": "e3", "status": "ok", "result": None}),
    (18, "message.appended", assistant(text("Two hits."))),
    (19, "run.succeeded", {"output": {"answer": 2}}),
]  # fmt: skip


def outputs(events, since=""):
    """Returns (id, event as JSON) of everything that a mapper says."""
    mapper = Mapper(run_id="r1", thread_id="", since=Position.parse(since))
    return [read(frame) for seq, kind, data in events for frame in mapper.feed(seq, kind, data, 1_000)]


def read(frame):
    fields = dict(line.partition(": ")[::2] for line in frame.strip().splitlines())
    event = json.loads(fields["data"])
    PROTOCOL.validate_python(event)
    return fields.get("id", ""), event


def types(found):
    return [event["type"] for _, event in found]


def journal(events):
    return [event for event in events if event[0]]


def test_an_agents_run():
    found = outputs(AGENT)
    assert types(found) == [
        "RUN_STARTED", "STEP_STARTED", "TEXT_MESSAGE_START", "TEXT_MESSAGE_CONTENT", "TEXT_MESSAGE_CONTENT",
        "STEP_FINISHED", "TEXT_MESSAGE_CONTENT", "TEXT_MESSAGE_END",
        "TOOL_CALL_START", "TOOL_CALL_ARGS", "TOOL_CALL_END",
        "STEP_STARTED", "STEP_FINISHED", "TOOL_CALL_RESULT", "CUSTOM", "CUSTOM",
        "STEP_STARTED", "STEP_FINISHED",
        "TEXT_MESSAGE_START", "TEXT_MESSAGE_CONTENT", "TEXT_MESSAGE_END", "RUN_FINISHED",
    ]  # fmt: skip
    said = [event["delta"] for _, event in found if event["type"] == "TEXT_MESSAGE_CONTENT"]
    assert said == ["Let me ", "look", ".", "Two hits."]
    started = found[0][1]
    assert (started["threadId"], started["runId"], started["timestamp"]) == ("s", "r1", 1000)
    assert found[-1][1]["result"] == {"answer": 2}
    tool = next(event for _, event in found if event["type"] == "TOOL_CALL_RESULT")
    assert (tool["toolCallId"], json.loads(tool["content"])) == ("use-1", {"hits": 2})
    assert next(e for _, e in found if e["type"] == "CUSTOM")["name"] == "approval.requested"


def use(name):
    return (0, "step.started", {"step": f"model-1/{name}", "node": name, "kind": "use"})


def test_results_of_every_kind_of_call_are_told():
    events = [
        (1, "run.started", {"kind": "Agent", "name": "a"}),
        *[use(name) for name in ("asked", "other", "refused")],
        ("", "approval.requested", {"approval": "p1", "step": "model-1/asked", "source": "question"}),
        ("", "approval.decided", {"approval": "p1", "approved": True, "by": "ann", "answer": "yes"}),
        ("", "child.finished", {"step": "model-1/other", "run": "r2", "output": {"n": 1}}),
        ("", "step.completed", {"step": "model-1/refused", "output": {"$error": "there is no such tool"}}),
        ("", "message.appended", {"results": ["asked", "other", "refused"]}),
    ]
    numbered = [(number, kind, data) for number, (_, kind, data) in enumerate(events, 1)]
    told = {e["toolCallId"]: e["content"] for _, e in outputs(numbered) if e["type"] == "TOOL_CALL_RESULT"}
    assert json.loads(told["asked"])["answer"] == "yes"
    assert json.loads(told["other"]) == {"n": 1}
    assert told["refused"] == "there is no such tool"


def test_text_is_whole_without_the_live_deltas():
    found = outputs(journal(AGENT))
    said = [event["delta"] for _, event in found if event["type"] == "TEXT_MESSAGE_CONTENT"]
    assert said == ["Let me look.", "Two hits."]


@pytest.mark.parametrize("cut", range(22))
def test_a_client_that_comes_back_anywhere_sees_everything_once(cut):
    """It gets the journal again, as the runtime gives it, without the deltas it saw live."""
    whole = outputs(AGENT)
    seen = whole[: cut + 1]
    rest = outputs(journal(AGENT), since=seen[-1][0])
    assert joined(seen + rest) == joined(whole)
    assert len({id for id, _ in whole}) == len(whole)


def joined(found):
    """Returns the events with neighbouring pieces of one message put together."""
    result = []
    for _, event in sorted(found, key=lambda pair: pair[1]["type"] == "STEP_FINISHED"):
        if result and event["type"] == "TEXT_MESSAGE_CONTENT" == result[-1]["type"]:
            result[-1] = {**event, "delta": result[-1]["delta"] + event["delta"]}
        else:
            result.append(event)
    return result


def test_live_text_with_a_gap_is_replaced_by_the_journals():
    found = outputs([*AGENT[:4], (0, "model.delta", {"text": "me look"}), *AGENT[6:9]])
    said = {e["messageId"]: e["delta"] for _, e in found if e["type"] == "TEXT_MESSAGE_CONTENT"}
    assert said == {"r1/e1": "me look", "r1/e1/1": "Let me look."}
    assert types(found).count("TEXT_MESSAGE_END") == 2


def test_a_provider_that_begins_anew_begins_a_new_message():
    restart = (0, "model.delta", {"type": "restart"})
    events = [*AGENT[:5], restart, (0, "model.delta", {"type": "text", "text": "Let"}), *AGENT[6:9]]
    found = outputs(events)
    said = [(e["messageId"], e["delta"]) for _, e in found if e["type"] == "TEXT_MESSAGE_CONTENT"]
    assert said == [("r1/e1", "Let me "), ("r1/e1/1", "Let"), ("r1/e1/1", " me look.")]
    live = [id for id, e in found if e["type"] == "TEXT_MESSAGE_CONTENT"][1]
    assert live == "4.0~3!1"
    ended = next(id for id, e in found if e["type"] == "TEXT_MESSAGE_END")
    assert [e["type"] for _, e in outputs(journal(events), since=ended)][1:4] == [
        "TEXT_MESSAGE_START", "TEXT_MESSAGE_CONTENT", "TEXT_MESSAGE_END",
    ]  # fmt: skip
    rest = outputs(journal(events), since=live)
    assert [e["delta"] for _, e in rest if e["type"] == "TEXT_MESSAGE_CONTENT"] == [" me look."]


def test_deltas_are_not_joined_to_text_that_another_stream_sent():
    since = outputs(AGENT[:5])[-1][0]
    found = outputs([*AGENT[:4], (0, "model.delta", {"text": "ok"}), *AGENT[6:9]], since=since)
    assert [e["delta"] for _, e in found if e["type"] == "TEXT_MESSAGE_CONTENT"] == ["look."]


def test_a_turn_that_is_tried_again_begins_a_new_message():
    again = (5, "effect.intent", {"effect": "e9", "step": "model-1", "kind": "model", "target": {"turn": 1}})
    found = outputs([*AGENT[:5], again, (6, "message.appended", assistant(text("Hello.")))])
    ids = [event["messageId"] for _, event in found if event["type"] == "TEXT_MESSAGE_START"]
    assert len(set(ids)) == 2
    assert types(found)[-4:] == [
        "TEXT_MESSAGE_END", "TEXT_MESSAGE_START", "TEXT_MESSAGE_CONTENT", "TEXT_MESSAGE_END",
    ]  # fmt: skip


def test_a_workflows_tool_calls_come_from_its_effects():
    tool = {"effect": "e1", "step": "fetch", "kind": "tool", "target": {"server": "s", "tool": "t"}}
    found = outputs(
        [
            (1, "run.started", {"kind": "Workflow", "name": "w"}),
            (2, "effect.intent", {**tool, "arguments": {"month": 3}}),
            (3, "effect.outcome", {"effect": "e1", "status": "tool_error", "error": {"message": "no"}}),
            (4, "run.failed", {"error": {"class": "tool", "message": "fetch failed"}}),
        ]
    )
    assert types(found) == [
        "RUN_STARTED", "TOOL_CALL_START", "TOOL_CALL_ARGS", "TOOL_CALL_END", "TOOL_CALL_RESULT", "RUN_ERROR",
    ]  # fmt: skip
    assert found[1][1]["toolCallName"] == "s/t"
    assert (found[-1][1]["message"], found[-1][1]["code"]) == ("fetch failed", "tool")


def test_a_cancelled_run_closes_what_is_open():
    found = outputs([AGENT[0], AGENT[2], (5, "run.cancelled", {"error": {"message": "no"}})])
    assert types(found) == ["RUN_STARTED", "STEP_STARTED", "STEP_FINISHED", "RUN_FINISHED"]
    assert found[-1][1]["outcome"] == {"type": "cancelled"}


def test_a_message_too_large_to_be_inline_is_named():
    found = outputs([AGENT[0], (2, "message.appended", {"message": {"$artifact": "sha256:0", "size": 9}})])
    assert found[-1][1]["name"] == "message.artifact"


@pytest.mark.parametrize("text", ["7", "a.b", "1.2.3", "-1.0", "1.2~", "1.2!"])
def test_what_is_no_position_is_refused(text):
    with pytest.raises(InvalidArgument):
        Position.parse(text)


def wire(house, events):
    return [house.event(seq, kind, json.dumps(data).encode()) for seq, kind, data in events]


async def test_a_run_as_ag_ui(house):
    house.runtime.answers["StreamRunEvents"] = lambda request: wire(house, AGENT)
    response = await house.client.get(f"{T}/runs/r1/ag-ui")
    found = house.frames(response.text)
    assert json.loads(found[-1]["data"])["type"] == "RUN_FINISHED"
    response = await house.client.get(f"{T}/runs/r1/ag-ui", headers={"Last-Event-ID": "18.2"})
    assert [f["id"] for f in house.frames(response.text)] == ["18.3", "19.1"]
    response = await house.client.get(f"{T}/runs/r1/ag-ui", headers={"Last-Event-ID": "x"})
    assert response.status_code == 400


INPUT = {
    "threadId": "thread-1",
    "runId": "turn-1",
    "messages": [
        {"id": "1", "role": "user", "content": "old"},
        {"id": "2", "role": "assistant", "content": "hm"},
        {"id": "3", "role": "user", "content": [{"type": "text", "text": "Which are open?"}]},
    ],
}


async def test_a_chat_turn_is_a_run_of_the_session(house):
    house.runtime.answers["StartRun"] = house.run(id="r1", kind="Agent")
    house.runtime.answers["StreamRunEvents"] = lambda request: wire(house, AGENT)
    response = await house.client.post(f"{T}/agents/clerk/ag-ui", json=INPUT)
    assert response.headers["content-type"].startswith("text/event-stream")
    found = [json.loads(f["data"]) for f in house.frames(response.text)]
    assert (found[0]["runId"], found[0]["threadId"]) == ("turn-1", "thread-1")
    assert found[-1]["type"] == "RUN_FINISHED" and "outcome" not in found[-1]
    asked = house.runtime.last(runs_pb2.StartRunRequest)
    assert (asked.kind, asked.name, asked.session) == ("Agent", "clerk", "thread-1")
    assert json.loads(asked.input_json) == {"message": "Which are open?"}
    assert house.runtime.last(runs_pb2.StreamRunEventsRequest).until_waiting


async def test_the_same_turn_again_is_the_same_run(house):
    house.runtime.answers["StartRun"] = house.run(id="r1", kind="Agent")
    house.runtime.answers["StreamRunEvents"] = lambda request: wire(house, AGENT)
    await house.client.post(f"{T}/agents/clerk/ag-ui", json=INPUT)
    first = house.runtime.last(runs_pb2.StartRunRequest).idempotency_key
    response = await house.client.post(
        f"{T}/agents/clerk/ag-ui", json=INPUT, headers={"Last-Event-ID": "18.3"}
    )
    assert house.runtime.last(runs_pb2.StartRunRequest).idempotency_key == first != ""
    assert [f["id"] for f in house.frames(response.text)] == ["19.1"]


async def test_the_props_may_hold_the_agents_input(house):
    house.runtime.answers["StartRun"] = house.run(id="r1", kind="Agent")
    house.runtime.answers["StreamRunEvents"] = lambda request: wire(house, AGENT)
    body = {**INPUT, "messages": [], "forwardedProps": {"input": {"invoice": 7}}}
    assert (await house.client.post(f"{T}/agents/clerk/ag-ui", json=body)).status_code == 200
    assert json.loads(house.runtime.last(runs_pb2.StartRunRequest).input_json) == {"invoice": 7}


async def test_a_turn_that_waits_is_an_interrupt_and_resume_decides(house):
    waiting = AGENT[:15]
    house.runtime.answers["StartRun"] = house.run(id="r1", kind="Agent")
    house.runtime.answers["StreamRunEvents"] = lambda request: wire(house, waiting)
    house.approvals.answers["ListApprovals"] = approvals_pb2.ListApprovalsResponse(
        approvals=[house.approval()]
    )
    response = await house.client.post(f"{T}/agents/clerk/ag-ui", json=INPUT)
    last = json.loads(house.frames(response.text)[-1]["data"])
    [interrupt] = last["outcome"]["interrupts"]
    assert (last["type"], interrupt["id"], interrupt["message"]) == ("RUN_FINISHED", "a1", "Book 119.00")
    assert interrupt["metadata"]["data"] == {"amount": 119}

    house.approvals.answers["GetApproval"] = house.approval()
    house.approvals.answers["DecideApproval"] = approvals_pb2.DecideApprovalResponse(
        approval=house.approval()
    )
    house.runtime.answers["GetRun"] = house.run(id="r1", last_seq=13)
    house.runtime.answers["StreamRunEvents"] = lambda request: wire(house, journal(AGENT))
    entry = {"interruptId": "a1", "status": "resolved", "payload": {"approved": True, "comment": "fine"}}
    body = {**INPUT, "runId": "turn-2", "resume": [entry]}
    response = await house.client.post(f"{T}/agents/clerk/ag-ui", json=body)
    found = [json.loads(f["data"]) for f in house.frames(response.text)]
    assert [event["type"] for event in found[:2]] == ["RUN_STARTED", "CUSTOM"]
    assert (found[0]["runId"], found[-1]["type"]) == ("turn-2", "RUN_FINISHED")
    decided = house.approvals.last(approvals_pb2.DecideApprovalRequest)
    assert (decided.id, decided.approve, decided.comment) == ("a1", True, "fine")
    assert house.runtime.count(runs_pb2.StartRunRequest) == 1


@pytest.mark.parametrize(("entry", "approve"), [
    ({"status": "cancelled"}, False),
    ({"status": "resolved"}, True),
    ({"status": "resolved", "payload": {"approved": False}}, False),
    ({"status": "resolved", "payload": {"approved": "false"}}, False),
])  # fmt: skip
def test_only_a_clear_yes_approves(entry, approve):
    from ag_ui.core import RunAgentInput

    from quarterdeck.gateway.translate.chat import decisions

    wish = RunAgentInput.model_validate({**INPUT, "resume": [{"interruptId": "a", **entry}]})
    assert decisions("default", wish)[0].approve is approve


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"threadId": "t"}, "runId"),
        ({**INPUT, "messages": []}, "messages"),
        ({**INPUT, "messages": 7}, "messages"),
    ],
)
async def test_bad_input_names_its_field(house, body, field):
    response = await house.client.post(f"{T}/agents/clerk/ag-ui", json=body)
    assert (response.status_code, response.json()["field"]) == (400, field)
    assert (await house.client.post(f"{T}/agents/clerk/ag-ui", content=b"{")).json()[
        "reason"
    ] == "InvalidJson"


def test_what_was_said_in_earlier_runs_is_not_said_again():
    earlier = {"message": {"role": "assistant", "content": [text("Hello.")]}}
    answer = (3, "message.appended", assistant(text("Yes.")))
    found = outputs([AGENT[0], (2, "message.appended", earlier), answer])
    assert "Yes." in str(found)
    assert "Hello." not in str(found)
