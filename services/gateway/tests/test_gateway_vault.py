"""A webhook whose secret is in Vault."""

import hashlib
import hmac
import time
from base64 import b64encode

import pytest
from aiohttp import web
from pydantic import ValidationError

from quarterdeck.gateway.config import GatewaySettings
from quarterdeck.gateway.triggers.routes import DeclaredRoutes
from quarterdeck.gateway.triggers.table import Matched, declared_by
from quarterdeck.v1 import runs_pb2

SECRET = b"of the bank"


@pytest.fixture
async def gateway_settings(tmp_path, monkeypatch):
    # Before the gateway is made, which keeps it.
    monkeypatch.setattr(DeclaredRoutes, "is_signed", lambda *_: True)

    async def serve(request):
        return web.json_response({"data": {"data": {"hook": SECRET.decode()}, "metadata": {}}})

    app = web.Application()
    app.router.add_get("/v1/kv/data/qd/default/bank", serve)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = site._server.sockets[0].getsockname()[1]
    (tmp_path / "token").write_text("s.token")
    url = f"vault+http://127.0.0.1:{port}/kv/qd"
    yield GatewaySettings(http_port=0, grpc_port=0, secrets_url=url, vault_token_file=tmp_path / "token")
    await runner.cleanup()


@pytest.mark.parametrize(("name", "status"), [("bank", 202), ("no-such", 503)])
async def test_it_is_checked_by_what_vault_has(house, monkeypatch, name, status):
    webhook = {"path": "/hooks/x", "secretRef": {"secret": {"name": name, "key": "hook"}}}
    spec = {"target": {"kind": "Workflow", "name": "w"}, "webhook": webhook}
    declared = declared_by("default", "id", {"metadata": {"name": "x"}, "spec": spec})
    monkeypatch.setattr(DeclaredRoutes, "find", lambda *_: Matched(declared, {}))
    house.runtime.answers["FireTrigger"] = runs_pb2.FireTriggerResponse(runs=[house.run()])
    now = str(int(time.time()))
    signature = hmac.new(SECRET, f"m.{now}.{{}}".encode(), hashlib.sha256).digest()
    headers = {"webhook-id": "m", "webhook-timestamp": now, "Authorization": ""}
    headers["webhook-signature"] = "v1," + b64encode(signature).decode()
    assert (await house.client.post("/hooks/x", content=b"{}", headers=headers)).status_code == status


def test_a_vault_without_a_token_stops_the_start():
    with pytest.raises(ValidationError, match="together"):
        GatewaySettings(secrets_url="vault+https://h/kv")
