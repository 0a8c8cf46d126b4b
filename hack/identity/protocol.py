"""OAuth 2 and OpenID Connect, by Authlib: what each grant looks up and keeps here."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

from authlib.common.security import generate_token
from authlib.oauth2 import AuthorizationServer, OAuth2Request
from authlib.oauth2.rfc6749 import AuthorizationCodeGrant, RefreshTokenGrant
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload
from authlib.oauth2.rfc6750 import BearerTokenGenerator
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oauth2.rfc8628 import DeviceAuthorizationEndpoint, DeviceCodeGrant
from authlib.oidc.core import OpenIDCode
from joserfc.jwk import RSAKey

from hack.identity.people import Client, Code, Device, Person, Refresh, Roster

# Seconds that an ID token counts, and that a device has to wait between two questions.
TOKEN_SECONDS, INTERVAL = 300, 1

Answer = tuple[int, str, Any]


class Asked(OAuth2Request):
    """A request, as Authlib reads it."""

    def __init__(self, method: str, uri: str, values: Mapping[str, str]) -> None:
        super().__init__(method, uri, headers={})
        self.payload = BasicOAuth2Payload(dict(values))

    @property
    def args(self) -> Mapping[str, str]:
        """What was in the address."""
        given: Mapping[str, str] = self.payload.data
        return given

    @property
    def form(self) -> Mapping[str, str]:
        """What was in the body."""
        given: Mapping[str, str] = self.payload.data
        return given


class Protocol(AuthorizationServer):
    """The endpoints of one provider.

    Args:
        issuer: its address.
        key: what its tokens are signed with.
        seconds: how long its tokens count.
    """

    def __init__(self, issuer: str, roster: Roster, key: RSAKey, seconds: int = TOKEN_SECONDS) -> None:
        super().__init__()
        self.issuer, self.roster, self.key, self.seconds = issuer, roster, key, seconds
        generator = BearerTokenGenerator(
            lambda **_: generate_token(42), lambda **_: generate_token(48), lambda *_: seconds
        )
        self.register_token_generator("default", generator)
        tokens = IdTokens(self)
        self.register_grant(Codes, [CodeChallenge(required=True), tokens])
        self.register_grant(Devices, [tokens])
        self.register_grant(Refreshes, [tokens])
        self.register_endpoint(DeviceCodes(self))

    def query_client(self, client_id: str) -> Client | None:
        """Returns the program of that id."""
        return self.roster.client if client_id == self.roster.client.client_id else None

    def save_token(self, token: dict[str, Any], request: OAuth2Request) -> None:
        """Remembers what was given out."""
        self.roster.keep_token(token, request)

    def create_oauth2_request(self, request: Asked) -> Asked:
        """It is one already."""
        return request

    def handle_response(self, status: int, body: Any, headers: Any) -> Answer:
        """Returns status, body as text, and headers."""
        return status, body if isinstance(body, str) else json.dumps(body), headers

    def send_signal(self, _name: str, *_args: object, **_kwargs: object) -> None:
        """Nobody listens."""


class IdTokens(OpenIDCode):
    """ID tokens: who somebody is, and their groups."""

    def __init__(self, protocol: Protocol) -> None:
        super().__init__(require_nonce=False)
        self._protocol = protocol

    def exists_nonce(self, nonce: str, _request: OAuth2Request) -> bool:
        """Whether a nonce was used before."""
        return any(code.nonce == nonce for code in self._protocol.roster.codes.values())

    def resolve_client_private_key(self, _client: Client) -> RSAKey:
        """What tokens are signed with."""
        return self._protocol.key

    def get_encode_header(self, _client: Client) -> dict[str, str]:
        """Which key it is."""
        return {"alg": "RS256", "kid": self._protocol.key.kid or ""}

    def get_compatible_claims(self, request: OAuth2Request) -> dict[str, Any]:
        """By whom, for whom, until when."""
        now = int(time.time())
        ends = now + self._protocol.seconds
        return {"iss": self._protocol.issuer, "aud": request.client.client_id, "iat": now, "exp": ends}

    def generate_user_info(self, user: Person, _scope: str) -> dict[str, Any]:
        """Who it is."""
        return {"sub": user.name, "groups": list(user.groups)}


class Codes(AuthorizationCodeGrant):
    """Codes that a browser brings back; PKCE is required."""

    TOKEN_ENDPOINT_AUTH_METHODS = ("none",)
    INCLUDE_REFRESH_TOKEN = True

    def save_authorization_code(self, code: str, request: OAuth2Request) -> None:
        """Keeps a code."""
        said = request.payload.data
        self.server.roster.codes[code] = Code(
            code,
            request.user,
            said.get("redirect_uri", ""),
            said.get("scope", ""),
            said.get("nonce", ""),
            said.get("code_challenge", ""),
            said.get("code_challenge_method", ""),
        )

    def query_authorization_code(self, code: str, _client: Client) -> Code | None:
        """Returns a code that is good still."""
        found: Code | None = self.server.roster.codes.get(code)
        return None if found is None or found.is_expired() else found

    def delete_authorization_code(self, code: Code) -> None:
        """It is spent."""
        self.server.roster.codes.pop(code.code, None)

    def authenticate_user(self, code: Code) -> Person:
        """Returns whose code it is."""
        return code.person


class Refreshes(RefreshTokenGrant):
    """Refresh tokens, each good for one more."""

    TOKEN_ENDPOINT_AUTH_METHODS = ("none",)
    INCLUDE_NEW_REFRESH_TOKEN = True

    def authenticate_refresh_token(self, token: str) -> Refresh | None:
        """Returns what it stands for; it is spent."""
        found: Refresh | None = self.server.roster.refreshes.pop(token, None)
        return found

    def authenticate_user(self, refresh: Refresh) -> Person | None:
        """Returns whose it is, unless they are gone."""
        found: Person | None = self.server.roster.people.get(refresh.person.name)
        return found

    def revoke_old_credential(self, _refresh: Refresh) -> None:
        """It was spent when it was read."""


class DeviceCodes(DeviceAuthorizationEndpoint):
    """Codes for programs without a browser."""

    INTERVAL = INTERVAL

    def get_verification_uri(self) -> str:
        """Where people type them."""
        return f"{self.server.issuer}/device"

    def save_device_credential(self, client_id: str, scope: str, data: dict[str, Any]) -> None:
        """Keeps one."""
        device = Device(client_id, scope or "", data["device_code"], data["user_code"])
        self.server.roster.devices[device.device_code] = device


class Devices(DeviceCodeGrant):
    """Tokens for who waits with a device code."""

    TOKEN_ENDPOINT_AUTH_METHODS = ("none",)

    def query_device_credential(self, device_code: str) -> Device | None:
        """Returns who waits."""
        found: Device | None = self.server.roster.devices.get(device_code)
        return found

    def query_user_grant(self, user_code: str) -> tuple[Person | None, bool] | None:
        """Returns who typed the code, and whether they agreed; None while nobody did."""
        device = self.server.roster.typed(user_code)
        if device is None or (device.person is None and not device.is_refused):
            return None
        return device.person, not device.is_refused

    def should_slow_down(self, device: Device) -> bool:
        """Whether it asks more often than it was told."""
        now, before = time.time(), device.asked_at
        device.asked_at = now
        return now - before < INTERVAL * 0.9
