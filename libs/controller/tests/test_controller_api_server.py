"""The API client against a real API server."""

import asyncio

import pytest
from aiohttp import web

from quarterdeck.controller.api import errors
from quarterdeck.controller.api.client import Client, Scope
from quarterdeck.controller.api.connection import connect
from quarterdeck.controller.api.resource import CONFIG_MAPS, CRDS, Resource
from quarterdeck.controller.api.reviews import Question, review_access, review_token
from quarterdeck.controller.api.transport import Transport
from quarterdeck.controller.testing.samples import config_map


async def test_what_is_created_can_be_read_changed_and_deleted(client, namespace):
    made = await client.create(CONFIG_MAPS, config_map(namespace, "a", {"x": "1"}))
    assert (await client.get(CONFIG_MAPS, "a", namespace))["data"] == {"x": "1"}
    with pytest.raises(errors.AlreadyExists):
        await client.create(CONFIG_MAPS, config_map(namespace, "a"))
    await client.merge(CONFIG_MAPS, "a", {"data": {"y": "2"}}, namespace)
    with pytest.raises(errors.Conflict):
        await client.replace(CONFIG_MAPS, made)
    with pytest.raises(errors.Conflict):
        await client.delete(CONFIG_MAPS, "a", namespace, uid="someone-else")
    await client.delete(CONFIG_MAPS, "a", namespace, uid=made["metadata"]["uid"])
    with pytest.raises(errors.NotFound):
        await client.get(CONFIG_MAPS, "a", namespace)


async def test_apply_creates_changes_and_removes_what_is_left_out(client, namespace):
    await client.apply(CONFIG_MAPS, config_map(namespace, "a", {"x": "1", "y": "1"}), manager="one")
    with pytest.raises(errors.Conflict):
        await client.apply(CONFIG_MAPS, config_map(namespace, "a", {"x": "2"}), manager="two", force=False)
    await client.merge(CONFIG_MAPS, "a", {"data": {"z": "3"}}, namespace)
    after = await client.apply(CONFIG_MAPS, config_map(namespace, "a", {"x": "1"}), manager="one")
    assert after["data"] == {"x": "1", "z": "3"}


async def test_a_list_comes_in_pages_and_items_say_their_kind(client, namespace):
    for number in range(7):
        await client.create(CONFIG_MAPS, config_map(namespace, f"c{number}", labels={"odd": str(number % 2)}))
    scope = Scope(namespace)
    page = await client.list_page(CONFIG_MAPS, scope, limit=3)
    assert len(page.items) == 3
    assert page.items[0]["kind"] == "ConfigMap"
    rest = await client.list_page(CONFIG_MAPS, scope, limit=0, token=page.token)
    assert [item["metadata"]["name"] for item in page.items + rest.items] == [f"c{n}" for n in range(7)]
    assert rest.resource_version == page.resource_version
    assert len(await client.list_all(CONFIG_MAPS, Scope(namespace, label_selector="odd=1"))) == 3
    (only,) = await client.list_all(CONFIG_MAPS, Scope(namespace, field_selector="metadata.name=c1"))
    assert only["metadata"]["name"] == "c1"


async def test_metadata_alone(client, namespace):
    await client.create(CONFIG_MAPS, config_map(namespace, "a", {"secret": "s"}))
    (item,) = await client.list_all(CONFIG_MAPS, Scope(namespace, metadata_only=True))
    assert item["metadata"]["name"] == "a"
    assert "data" not in item


async def test_a_watch_tells_changes_and_its_end(client, namespace):
    start = (await client.list_page(CONFIG_MAPS, Scope(namespace))).resource_version
    await client.create(CONFIG_MAPS, config_map(namespace, "a"))
    await client.merge(CONFIG_MAPS, "a", {"data": {"big": "x" * 300_000}}, namespace)
    await client.delete(CONFIG_MAPS, "a", namespace)
    seen = [
        event.type
        async for event in client.watch(CONFIG_MAPS, Scope(namespace), resource_version=start, seconds=2)
        if event.type != "BOOKMARK"
    ]
    assert seen == ["ADDED", "MODIFIED", "DELETED"]


async def test_errors_say_what_is_wrong(client, namespace):
    with pytest.raises(errors.Invalid) as invalid:
        await client.create(CONFIG_MAPS, config_map(namespace, "Not A Name"))
    assert "metadata.name" in [cause["field"] for cause in invalid.value.details["causes"]]
    with pytest.raises(errors.NotFound) as missing:
        await client.list_page(Resource("nobody.dev", "v1", "things", "Thing"))
    assert missing.value.code == 404
    with pytest.raises(errors.ApiError, match="unknown field"):
        await client.create(
            CONFIG_MAPS, config_map(namespace, "a") | {"dada": 1}, dryRun="All", fieldValidation="Strict"
        )


async def test_a_wrong_token_is_read_again_once_and_then_refused(plane, tmp_path):
    plane.write_kubeconfig(tmp_path / "k", plane.port, "wrong")
    connection = await connect(str(tmp_path / "k"))
    client = Client(Transport(connection))
    with pytest.raises(errors.Unauthorized):
        await client.list_page(CRDS)
    await client.close()


async def test_reviews_of_tokens_and_of_access(plane, client, namespace):
    user = await review_token(client, plane.token)
    assert user is not None
    assert (user.name, "system:masters" in user.groups) == ("admin", True)
    assert await review_token(client, "nonsense") is None
    question = Question("delete", "", "secrets", namespace)
    assert (await review_access(client, user, question)).allowed
    stranger = type(user)("stranger")
    assert not (await review_access(client, stranger, question)).allowed


async def test_a_fence_stops_writes_and_no_reads(client, namespace):
    def fence():
        raise RuntimeError("not ours any more")

    fenced = client.fenced(fence)
    await fenced.list_page(CONFIG_MAPS, Scope(namespace))
    for write in (
        fenced.create(CONFIG_MAPS, config_map(namespace, "a")),
        fenced.apply(CONFIG_MAPS, config_map(namespace, "a"), manager="m"),
        fenced.merge(CONFIG_MAPS, "a", {}, namespace),
        fenced.delete(CONFIG_MAPS, "a", namespace),
    ):
        with pytest.raises(RuntimeError, match="not ours"):
            await write
    assert await client.list_all(CONFIG_MAPS, Scope(namespace, field_selector="metadata.name=a")) == []


async def test_nobody_there_is_said_as_such(plane):
    client = await plane.client(port=1)
    with pytest.raises(errors.Unreachable, match=r"127\.0\.0\.1:1"):
        await client.list_page(CONFIG_MAPS)
    with pytest.raises(errors.Unreachable):
        await anext(client.watch(CONFIG_MAPS, resource_version="1"))
    await client.close()


class Overloaded:
    """A server that refuses twice before it answers; the real one is hard to overload on request."""

    def __init__(self, code):
        self.asked = []
        self.code = code

    async def answer(self, request):
        self.asked.append(asyncio.get_running_loop().time())
        if len(self.asked) < 3:
            return web.json_response({"reason": "x"}, status=self.code, headers={"Retry-After": "1"})
        return web.json_response({"items": [], "metadata": {"resourceVersion": "5"}})


@pytest.mark.parametrize("code", [429, 503])
async def test_a_server_that_asks_for_patience_gets_it(code):
    overloaded = Overloaded(code)
    app = web.Application()
    app.router.add_get("/{rest:.*}", overloaded.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    client = Client(Transport(Plain(f"http://127.0.0.1:{runner.addresses[0][1]}")))
    try:
        assert (await client.list_page(CONFIG_MAPS)).resource_version == "5"
        first, second, third = overloaded.asked
        assert second - first >= 0.99
        assert third - second >= 0.99
    finally:
        await client.close()
        await runner.cleanup()


class Plain:
    """A connection without TLS or account."""

    server_name = proxy = tls = None

    def __init__(self, host):
        self.host = host

    async def headers(self):
        return {}

    async def refresh(self):
        raise AssertionError("nobody was unauthorised")
