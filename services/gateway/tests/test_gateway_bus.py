"""Dead letters through the door."""

from quarterdeck.v1 import bus_pb2

OURS = bus_pb2.DeadLetter(
    id="a",
    queue="q",
    topic="events.paid",
    reason="delivery_limit",
    died_at="2026-01-01T00:00:00Z",
    tenant_id="t1",
    ours=True,
    data_json=b'{"n":1}',
)
FOREIGN = bus_pb2.DeadLetter(id="b", queue="q", topic="x", reason="rejected", raw=b"\xffhello")


async def test_dead_letters_are_listed_shown_and_replayed(house):
    house.bus.answers["ListDeadLetters"] = bus_pb2.ListDeadLettersResponse(letters=[OURS, FOREIGN])
    response = await house.client.get("/api/v1/bus/dead", params={"tenant": "default", "limit": 7})
    asked = house.bus.last(bus_pb2.ListDeadLettersRequest)
    assert (asked.tenant, asked.limit, asked.id) == ("default", 7, "")
    ours, foreign = response.json()["items"]
    assert (ours["data"], ours["raw"], ours["tenantId"], ours["ours"]) == ({"n": 1}, None, "t1", True)
    assert (foreign["data"], foreign["raw"], foreign["tenantId"], foreign["ours"]) == (
        None,
        "\ufffdhello",
        None,
        False,
    )
    response = await house.client.get("/api/v1/bus/dead/a")
    assert response.json() == ours
    assert house.bus.last(bus_pb2.ListDeadLettersRequest).id == "a"
    house.bus.answers["ReplayDeadLetters"] = bus_pb2.ReplayDeadLettersResponse(replayed=["a"])
    response = await house.client.post("/api/v1/bus/dead/replay", json={"ids": ["a", "z"]})
    assert response.json() == {"replayed": ["a"]}
    assert list(house.bus.last(bus_pb2.ReplayDeadLettersRequest).ids) == ["a", "z"]


async def test_a_dead_letter_that_is_not_there_is_said(house):
    house.bus.answers["ListDeadLetters"] = bus_pb2.ListDeadLettersResponse()
    response = await house.client.get("/api/v1/bus/dead/nothing")
    assert response.status_code == 404
    assert response.json()["field"] == "id"


async def test_a_replay_of_nothing_is_refused(house):
    response = await house.client.post("/api/v1/bus/dead/replay", json={"ids": []})
    assert response.status_code in {400, 422}
    assert not house.bus.count(bus_pb2.ReplayDeadLettersRequest)
