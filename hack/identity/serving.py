"""The provider over HTTP: its documents, its endpoints, and pages on which one says who one is."""

from __future__ import annotations

import html
import secrets
from collections.abc import Mapping
from urllib.parse import urlencode

from aiohttp import web
from joserfc.jwk import RSAKey

from hack.identity.people import Client, Person, Roster
from hack.identity.protocol import TOKEN_SECONDS, Answer, Asked, Protocol

_PAGE = "<!doctype html><title>Sign in</title><h1>{title}</h1>{body}"


class Provider:
    """A provider on this machine.

    Args:
        client: the program that may ask about people.
        people: who can sign in.
        seconds: how long its ID tokens count.
    """

    def __init__(self, client: Client, people: list[Person], seconds: int = TOKEN_SECONDS) -> None:
        self.roster = Roster(client, people)
        self.seconds = seconds
        self.issuer = ""
        self.protocol: Protocol
        self._runner: web.AppRunner | None = None

    async def start(self, port: int = 0) -> str:
        """Serves on a loopback port; returns the issuer."""
        app = web.Application()
        app.router.add_get("/.well-known/openid-configuration", self._about)
        app.router.add_get("/keys", self._keys)
        app.router.add_get("/authorize", self._ask)
        app.router.add_post("/authorize", self._chosen)
        app.router.add_get("/device", self._device)
        app.router.add_post("/device", self._device_chosen)
        app.router.add_post("/device_authorization", self._device_codes)
        app.router.add_post("/token", self._tokens)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", port)
        await site.start()
        self.issuer = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        key = RSAKey.generate_key(2048, {"kid": secrets.token_hex(4), "use": "sig"})
        self.protocol = Protocol(self.issuer, self.roster, key, self.seconds)
        return self.issuer

    async def stop(self) -> None:
        """Serves no more."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _about(self, _request: web.Request) -> web.Response:
        at = self.issuer
        return web.json_response(
            {
                "issuer": at,
                "jwks_uri": f"{at}/keys",
                "authorization_endpoint": f"{at}/authorize",
                "token_endpoint": f"{at}/token",
                "device_authorization_endpoint": f"{at}/device_authorization",
                "code_challenge_methods_supported": ["S256"],
            }
        )

    async def _keys(self, _request: web.Request) -> web.Response:
        return web.json_response({"keys": [self.protocol.key.as_dict(private=False)]})

    async def _ask(self, request: web.Request) -> web.Response:
        return self._people("Who are you?", f"/authorize?{urlencode(request.query)}", {})

    async def _chosen(self, request: web.Request) -> web.Response:
        person = self.roster.people.get(str((await request.post()).get("person", "")))
        asked = Asked("GET", str(request.url), request.query)
        grant = self.protocol.get_consent_grant(asked, end_user=person)
        return _response(self.protocol.create_authorization_response(asked, person, grant))

    async def _device(self, request: web.Request) -> web.Response:
        code = request.query.get("user_code", "")
        return self._people("A program wants to act for you", "/device", {"user_code": code})

    async def _device_chosen(self, request: web.Request) -> web.Response:
        form = await request.post()
        device = self.roster.typed(str(form.get("user_code", "")))
        if device is None or device.is_expired():
            return web.Response(status=400, text="there is no such code")
        device.person = self.roster.people.get(str(form.get("person", "")))
        device.is_refused = device.person is None
        return web.Response(text="You can close this page.")

    async def _device_codes(self, request: web.Request) -> web.Response:
        return _response(
            self.protocol.create_endpoint_response("device_authorization", await _asked(request))
        )

    async def _tokens(self, request: web.Request) -> web.Response:
        return _response(self.protocol.create_token_response(await _asked(request)))

    def _people(self, title: str, action: str, fields: Mapping[str, str]) -> web.Response:
        inputs = "".join(
            f'<input name="{name}" value="{html.escape(value)}">' for name, value in fields.items()
        )
        names = "".join(
            f'<button name="person" value="{name}">{name}</button>' for name in self.roster.people
        )
        refuse = '<button name="person" value="">Nobody: refuse</button>'
        form = f'<form method="post" action="{html.escape(action)}">{inputs}{names}{refuse}</form>'
        return web.Response(text=_PAGE.format(title=title, body=form), content_type="text/html")


async def _asked(request: web.Request) -> Asked:
    form = {name: str(value) for name, value in (await request.post()).items()}
    return Asked("POST", str(request.url), form)


def _response(answer: Answer) -> web.Response:
    status, body, headers = answer
    return web.Response(status=status, text=body, headers=dict(headers))
