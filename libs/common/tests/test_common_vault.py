"""Secrets from Vault's KV version 2, as its wire has them."""

import pytest
from aiohttp import web

from quarterdeck.common.errors import Unavailable
from quarterdeck.common.secrets.vault import KEPT, Place, VaultSecrets


class Vault:
    """Answers GET /v1/<mount>/data/<path> as Vault does."""

    def __init__(self):
        self.secrets, self.token, self.asked, self.answer = {}, "s.token", [], None

    async def serve(self, request):
        self.asked.append(request.path)
        if self.answer is not None:
            return self.answer()
        if request.headers.get("X-Vault-Token") != self.token:
            return web.json_response({"errors": ["permission denied"]}, status=403)
        found = self.secrets.get(request.raw_path.removeprefix("/v1/kv/data/"))
        if found is None:
            return web.json_response({"errors": []}, status=404)
        metadata = {"version": 3, "created_time": "2026-01-01T00:00:00Z", "destroyed": False}
        return web.json_response({"request_id": "r", "data": {"data": found, "metadata": metadata}})


@pytest.fixture
async def vault(tmp_path):
    vault = Vault()
    app = web.Application()
    app.router.add_get("/{path:.*}", vault.serve)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = site._server.sockets[0].getsockname()[1]
    (tmp_path / "token").write_text("s.token\n")
    vault.now, vault.file = 0.0, tmp_path / "token"
    place = Place.parse(f"vault+http://127.0.0.1:{port}/kv/quarterdeck")
    vault.reader = VaultSecrets(place, vault.file, lambda: vault.now)
    vault.secrets["quarterdeck/acme/bank"] = {"hook": "whsec_1", "n": 1, "empty": ""}
    yield vault
    await runner.cleanup()


async def test_a_value_is_read_once_a_minute_and_changes_without_a_restart(vault):
    assert await vault.reader.read("acme", "bank", "hook") == "whsec_1"
    vault.secrets["quarterdeck/acme/bank"] = {"hook": "whsec_2"}
    vault.now = KEPT - 1
    assert await vault.reader.read("acme", "bank", "hook") == "whsec_1"
    assert len(vault.asked) == 1
    vault.now = KEPT
    assert await vault.reader.read("acme", "bank", "hook") == "whsec_2"
    vault.token = "s.renewed"
    vault.file.write_text("s.renewed")
    vault.now = 2 * KEPT
    assert await vault.reader.read("acme", "bank", "hook") == "whsec_2"


@pytest.mark.parametrize(
    ("tenant", "name", "key"),
    [("acme", "bank", "n"), ("acme", "bank", "empty"), ("acme", "bank", "no"), ("acme", "no", "hook"),
     ("other", "bank", "hook"), ("other/../acme", "bank", "hook"), ("acme", "../acme/bank", "hook")],
)  # fmt: skip
async def test_what_is_not_there_is_told_and_no_other_tenants_is_read(vault, tenant, name, key):
    with pytest.raises(Unavailable) as caught:
        await vault.reader.read(tenant, name, key)
    assert "whsec" not in str(caught.value)


async def test_a_wrong_token_and_odd_answers_are_told_without_values(vault):
    vault.token = "s.other"
    with pytest.raises(Unavailable, match="answers 403"):
        await vault.reader.read("acme", "bank", "hook")
    for body in (b"whsec_1", b'{"data":null}', b"[]", b'{"data":{"data":1}}'):
        vault.answer = lambda body=body: web.Response(body=body)
        with pytest.raises(Unavailable) as caught:
            await vault.reader.read("acme", "bank", "hook")
        assert "whsec" not in str(caught.value)
    vault.answer = lambda: web.Response(status=307, headers={"Location": "/v1/kv/data/x"})
    with pytest.raises(Unavailable, match="answers 307"):
        await vault.reader.read("acme", "bank", "hook")


async def test_a_vault_that_is_away_is_told(tmp_path):
    (tmp_path / "token").write_text("x")
    reader = VaultSecrets(Place.parse("vault+http://127.0.0.1:9/kv"), tmp_path / "token")
    with pytest.raises(Unavailable, match="does not answer"):
        await reader.read("acme", "bank", "hook")


@pytest.mark.parametrize("url", ["vault://h/kv", "vault+https://h", "vault+https:///kv", "https://h/kv"])
def test_what_is_no_place(url):
    with pytest.raises(ValueError, match=r"vault\+https"):
        Place.parse(url)
