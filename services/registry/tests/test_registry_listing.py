"""Pages and selectors."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from registry_support import agent, body

from quarterdeck.common.errors import InvalidArgument
from quarterdeck.common.selectors import parse
from quarterdeck.v1 import resources_pb2 as pb


async def pages(admin, **options):
    found, token, versions = [], "", set()
    while True:
        page = await admin.list("Agent", page_token=token, **options)
        found += [item.name for item in page.objects]
        versions.add(page.resource_version)
        token = page.next_page_token
        if not token:
            return found, versions


def labelled(name, **labels):
    item = agent(name)
    item["metadata"]["labels"] = labels
    return item


async def test_pages_in_every_order(admin):
    names = ["m", "a", "z", "k", "b"]
    for name in names:
        await admin.apply(agent(name))
        await asyncio.sleep(0.002)  # ids sort by milliseconds
    for size in (1, 2, 5, 100):
        assert (await pages(admin, page_size=size))[0] == sorted(names)
        assert (await pages(admin, page_size=size, order_by="-name"))[0] == sorted(names, reverse=True)
        assert (await pages(admin, page_size=size, order_by="created"))[0] == names
        assert (await pages(admin, page_size=size, order_by="-created"))[0] == names[::-1]


async def test_selectors_on_pages(admin):
    for number in range(10):
        await admin.apply(labelled(f"a{number}", parity="even" if number % 2 == 0 else "odd"))
    assert (await pages(admin, page_size=2, label_selector="parity=even"))[0] == [
        f"a{n}" for n in range(0, 10, 2)
    ]
    assert (await pages(admin, page_size=3, label_selector="parity!=even"))[0] == [
        f"a{n}" for n in range(1, 10, 2)
    ]


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"page_size": -1}, "limit"),
        ({"order_by": "size"}, "orderBy"),
        ({"page_token": "!!"}, "continue"),
        ({"page_token": "e30"}, "continue"),
        ({"label_selector": "a="}, None),
        ({"label_selector": "a=="}, "labelSelector"),
        ({"label_selector": "a = b c"}, "labelSelector"),
        ({"label_selector": "a=b,"}, "labelSelector"),
    ],
)
async def test_bad_requests_name_the_field(admin, options, field):
    if field is None:
        await admin.list("Agent", **options)  # an empty value is a value
        return
    with pytest.raises(InvalidArgument) as caught:
        await admin.list("Agent", **options)
    assert caught.value.field == field


async def test_a_token_serves_its_own_listing(admin):
    for name in ("a", "b", "c"):
        await admin.apply(agent(name))
    token = (await admin.list("Agent", page_size=1)).next_page_token
    for options in ({"order_by": "-name"}, {"label_selector": "a"}):
        with pytest.raises(InvalidArgument, match="not a token of this listing"):
            await admin.list("Agent", page_token=token, **options)


async def test_a_thousand_objects_under_writes(admin):
    """What stays is listed exactly once, whatever comes and goes meanwhile; all pages say one version."""
    for first in range(0, 1000, 50):  # all at once, the last would wait longer than a client does
        await asyncio.gather(*(admin.apply(agent(f"keep-{n:04}")) for n in range(first, first + 50)))
    stop = asyncio.Event()

    async def disturb():
        number = 0
        while not stop.is_set():
            number += 1
            await admin.apply(agent(f"keep-{number:04}x"))
            await admin.apply(agent(f"keep-{number:04}", description=str(number)))
            await admin.delete("Agent", f"keep-{number:04}x")

    disturbing = asyncio.create_task(disturb())
    for order in ("name", "-created"):
        found, versions = await pages(admin, page_size=60, order_by=order)
        kept = [name for name in found if not name.endswith("x")]
        assert len(kept) == len(set(kept)) == 1000
        assert len(versions) == 1
    stop.set()
    await disturbing
    await admin.until("Agent", "keep-0999", "Ready", "False", "ReferencesUnresolved")
    listed = await admin.list("Agent", page_size=500)
    assert len(listed.objects) == 500
    assert body(listed.objects[0])["metadata"]["name"] == "keep-0000"


@pytest.mark.parametrize(
    ("selector", "labels", "expected"),
    [
        ("", {}, True),
        ("a=1", {"a": "1"}, True),
        ("a==1", {"a": "2"}, False),
        ("a == 2", {"a": "2"}, True),
        ("a=", {"a": ""}, True),
        ("a!=1", {}, True),
        ("a!=1", {"a": "1"}, False),
        ("a in (1, 2)", {"a": "2"}, True),
        ("a in(1)", {"a": "2"}, False),
        ("a notin (1,2)", {}, True),
        ("a notin (1,2)", {"a": "1"}, False),
        ("a", {"a": ""}, True),
        ("a", {}, False),
        ("!a", {}, True),
        ("! a", {"a": ""}, False),
        ("example.org/a=1, b", {"example.org/a": "1", "b": ""}, True),
        ("a=1,b=2", {"a": "1", "b": "3"}, False),
        ("in=1", {"in": "1"}, True),
    ],
)
def test_selectors(selector, labels, expected):
    assert parse(selector).matches(labels) is expected


@pytest.mark.parametrize(
    "selector",
    [
        "=",
        "!!",
        "!!a",
        "a==",
        "a===b",
        "a=b=c",
        "a in b",
        "a in (b",
        "a,,b",
        "-a",
        "a=-",
        "a in (b c)",
        "(a)",
    ],
)
def test_what_is_no_selector(selector):
    with pytest.raises(InvalidArgument, match="not a label selector at character"):
        parse(selector)


KEYS = st.sampled_from(["a", "b", "x.y/c"])
VALUES = st.sampled_from(["1", "2", "v-1"])


@given(st.dictionaries(KEYS, VALUES), KEYS, st.lists(VALUES, min_size=1), st.booleans())
def test_sets_are_the_same_as_their_parts(labels, key, values, negated):
    operator = "notin" if negated else "in"
    parts = [parse(f"{key}={value}").matches(labels) for value in values]
    expected = not any(parts) if negated else any(parts)
    assert parse(f"{key} {operator} ({','.join(values)})").matches(labels) is expected


async def test_a_list_needs_a_kind(admin):
    with pytest.raises(InvalidArgument) as caught:
        await admin.call("ListObjects", pb.ListObjectsRequest(tenant="default"))
    assert caught.value.field == "kind"
