"""Many starts in one request."""

import json

import grpc

from quarterdeck.common.errors import PermissionDenied
from quarterdeck.v1 import runs_pb2

T = "/api/v1/tenants/default"
INVALID = runs_pb2.Refusal(
    code=grpc.StatusCode.INVALID_ARGUMENT.value[0],
    reason="InvalidArgument",
    message="input.n: not a number",
    field="input.n",
    hint="see the schema of input",
    violations=[runs_pb2.FieldViolation(field="input.n", message="not a number")],
)


def one(**more):
    return {"kind": "Workflow", "name": "match", **more}


async def test_each_run_has_an_answer_of_its_own(house):
    house.runtime.answers["StartRuns"] = runs_pb2.StartRunsResponse(
        runs=[
            runs_pb2.StartedRun(run_id="r1"),
            runs_pb2.StartedRun(refusal=INVALID),
            runs_pb2.StartedRun(run_id="r2", existed=True),
            runs_pb2.StartedRun(refusal=runs_pb2.Refusal(code=5, reason="NotFound", message="none")),
        ]
    )
    body = {
        "runs": [
            one(input={"n": 9007199254740993}, key="k", keyConflict="queue", labels={"a": "b"}, priority=5),
            one(input={"n": "x"}, idempotencyKey="own"),
            one(signal={"name": "paid", "payload": [1], "id": "x"}),
            one(),
        ]
    }
    response = await house.client.post(f"{T}/runs/batch", json=body, headers={"Idempotency-Key": "k-1"})
    assert response.status_code == 200, response.text
    answer = response.json()
    assert answer["refused"] == 2
    assert [item["id"] for item in answer["items"]] == ["r1", None, "r2", None]
    assert [item["existed"] for item in answer["items"]] == [False, False, True, False]
    first, second = answer["items"][1]["error"], answer["items"][3]["error"]
    assert (first["status"], first["field"], first["violations"][0]["field"]) == (400, "input.n", "input.n")
    assert (second["status"], second["reason"]) == (404, "NotFound")
    asked = house.runtime.last(runs_pb2.StartRunsRequest)
    assert (asked.tenant, asked.idempotency_key) == ("default", "k-1")
    assert json.loads(asked.runs[0].input_json) == {"n": 9007199254740993}
    assert (asked.runs[0].key_conflict, asked.runs[0].priority) == (runs_pb2.KEY_CONFLICT_QUEUE, 5)
    assert [run.idempotency_key for run in asked.runs] == ["", "own", "", ""]
    assert (asked.runs[2].signal_name, asked.runs[2].signal_id) == ("paid", "x")


async def test_the_runtime_and_not_the_gateway_keeps_the_key_of_a_batch(house):
    house.runtime.answers["StartRuns"] = runs_pb2.StartRunsResponse(runs=[runs_pb2.StartedRun(run_id="r")])
    for _ in range(2):
        headers = {"Idempotency-Key": "k"}
        await house.client.post(f"{T}/runs/batch", json={"runs": [one()]}, headers=headers)
    assert house.runtime.count(runs_pb2.StartRunsRequest) == 2


async def test_a_request_that_breaks_its_schema_starts_nothing(house):
    for body, field in (
        ({"runs": []}, "runs"),
        ({"runs": [one()] * 1001}, "runs"),
        ({"runs": [one(), {"kind": "Workflow"}]}, "runs[1].name"),
        ({"runs": [one(kind="Trigger")]}, "runs[0].kind"),
    ):
        response = await house.client.post(f"{T}/runs/batch", json=body)
        assert (response.status_code, response.json()["field"]) == (400, field)
    assert house.runtime.count(runs_pb2.StartRunsRequest) == 0


async def test_a_batch_is_let_in_if_all_of_its_names_are(house):
    house.runtime.answers["StartRuns"] = runs_pb2.StartRunsResponse()
    asked = []

    async def authorize(principal, verb, resource, tenant, name=""):
        asked.append((verb, resource, tenant, name))
        if name != "match":
            raise PermissionDenied(f"not {name}")

    house.platform.authorizer.authorize = authorize
    refused = await house.client.post(f"{T}/runs/batch", json={"runs": [one(), one(name="b")]})
    assert (refused.status_code, refused.json()["detail"]) == (403, "not b")
    assert asked == [("create", "runs", "default", "match"), ("create", "runs", "default", "b")]
    assert house.runtime.count(runs_pb2.StartRunsRequest) == 0
    allowed = await house.client.post(f"{T}/runs/batch", json={"runs": [one(), one()]})
    assert allowed.status_code == 200
