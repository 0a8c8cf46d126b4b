"""A quoted slash, percent sign or dot in a path belongs to a name and moves nothing."""

from urllib.parse import quote

import pytest

from quarterdeck.gateway.middleware.segments import path_of
from quarterdeck.v1 import memory_pb2, resources_pb2, tools_pb2

T = "/api/v1/tenants/default"
NAMES = ["a/b", "a%2Fb", "50%", "ä/ö", "x y?", "..", "%2e%2e"]


def quoted(name):
    return quote(name, safe="").replace(".", "%2E")


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        ("/a/b", "/a/b"),
        ("/a%2Fb/c%2fd", "/a%2Fb/c%2fd"),
        ("/50%25%20x", "/50%25 x"),
        ("/%C3%A4%2F%C3%B6", "/ä%2Fö"),
        ("/%E2%82", "/\ufffd"),
        ("/%zz%", "/%zz%"),
    ],
)
def test_what_stays_quoted(raw, path):
    assert path_of(raw) == path


@pytest.mark.parametrize("name", NAMES)
async def test_an_id_arrives_as_it_was_meant(house, name):
    house.memory.answers["GetMemory"] = memory_pb2.MemoryItem(id=name, text="t", payload_json=b"{}")
    got = await house.client.get(f"{T}/memories/notes/{quoted(name)}")
    assert got.status_code == 200, got.text
    assert house.memory.last(memory_pb2.GetMemoryRequest).id == name


async def test_a_tool_may_have_a_slash_in_its_name(house):
    house.tools.answers["CallTool"] = tools_pb2.ToolOutcome(
        call_id="c", status=tools_pb2.ToolOutcome.STATUS_OK, result_json=b"1"
    )
    called = await house.client.post(f"{T}/tools/files/read%2Fall/call", json={"arguments": {}})
    assert called.status_code == 200, called.text
    assert house.tools.last(tools_pb2.CallToolRequest).tool == "read/all"


@pytest.mark.parametrize("name", NAMES)
async def test_a_direct_read_takes_the_name_too(house, name):
    house.registry.answers["GetObject"] = resources_pb2.Object(kind="Agent", object_json=b"{}")
    assert (await house.client.get(f"{T}/agents/{quoted(name)}")).status_code == 200
    assert house.registry.last(resources_pb2.GetObjectRequest).name == name


async def test_dots_lead_nowhere(house):
    """`agents/..` is an agent of that name, never the tenant above it."""
    house.registry.answers["DeleteObject"] = resources_pb2.Object(kind="Agent", object_json=b"{}")
    await house.client.delete(f"{T}/agents/%2E%2E")
    asked = house.registry.last(resources_pb2.DeleteObjectRequest)
    assert (asked.tenant, asked.kind, asked.name) == ("default", "Agent", "..")
