"""What the provider knows: people, the program that may ask about them, codes and tokens it gave out."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

CODE_SECONDS, DEVICE_SECONDS = 60.0, 600.0
GRANTS = ("authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code")


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who can sign in."""

    name: str
    groups: tuple[str, ...] = ()

    def get_user_id(self) -> str:
        """Their subject."""
        return self.name


@dataclass(frozen=True, slots=True)
class Client:
    """The one program that is registered here: public, so that it has no secret."""

    client_id: str
    redirect_uris: tuple[str, ...]
    id_token_signed_response_alg: str = "RS256"

    def get_client_id(self) -> str:
        """Its id, the audience of ID tokens."""
        return self.client_id

    def get_default_redirect_uri(self) -> str:
        """Where a browser is sent that names no address."""
        return self.redirect_uris[0] if self.redirect_uris else ""

    def get_allowed_scope(self, scope: str) -> str:
        """All that is asked for."""
        return scope or ""

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        """Whether browsers may be sent there."""
        return redirect_uri in self.redirect_uris

    def check_client_secret(self, _secret: str) -> bool:
        """No secret is right."""
        return False

    def check_endpoint_auth_method(self, method: str, _endpoint: str) -> bool:
        """It comes with its name alone."""
        return method == "none"

    def check_response_type(self, response_type: str) -> bool:
        """Codes only."""
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        """What it may exchange for tokens."""
        return grant_type in GRANTS


@dataclass(frozen=True, slots=True)
class Code:
    """What a browser brings back, once."""

    code: str
    person: Person
    redirect_uri: str
    scope: str
    nonce: str
    code_challenge: str
    code_challenge_method: str
    made_at: float = field(default_factory=time.time)

    def is_expired(self) -> bool:
        """Whether it came too late."""
        return time.time() > self.made_at + CODE_SECONDS

    def get_redirect_uri(self) -> str:
        """Where it was sent."""
        return self.redirect_uri

    def get_scope(self) -> str:
        """What was asked for."""
        return self.scope

    def get_nonce(self) -> str:
        """What the token has to repeat."""
        return self.nonce

    def get_auth_time(self) -> int:
        """When the person signed in, seconds since 1970."""
        return int(self.made_at)

    def get_acr(self) -> None:
        """Nothing was proved."""

    def get_amr(self) -> None:
        """Nothing was proved."""


@dataclass(slots=True)
class Device:
    """A program that waits for somebody to type its code into a browser."""

    client_id: str
    scope: str
    device_code: str
    user_code: str
    made_at: float = field(default_factory=time.time)
    asked_at: float = 0.0
    person: Person | None = None
    is_refused: bool = False

    def get_client_id(self) -> str:
        """Whose code it is."""
        return self.client_id

    def get_scope(self) -> str:
        """What was asked for."""
        return self.scope

    def get_user_code(self) -> str:
        """What the person types."""
        return self.user_code

    def get_nonce(self) -> str:
        """Devices name none."""
        return ""

    def get_auth_time(self) -> int:
        """When it began, seconds since 1970."""
        return int(self.made_at)

    def is_expired(self) -> bool:
        """Whether nobody came in time."""
        return time.time() > self.made_at + DEVICE_SECONDS


@dataclass(frozen=True, slots=True)
class Refresh:
    """A refresh token; it counts once."""

    person: Person
    client_id: str
    scope: str

    def check_client(self, client: Client) -> bool:
        """Whether it was given to this program."""
        return client.client_id == self.client_id

    def get_scope(self) -> str:
        """What was asked for."""
        return self.scope


class Roster:
    """Everything that was given out, in memory."""

    def __init__(self, client: Client, people: Collection[Person]) -> None:
        self.client = client
        self.people = {person.name: person for person in people}
        self.codes: dict[str, Code] = {}
        self.devices: dict[str, Device] = {}
        self.refreshes: dict[str, Refresh] = {}

    def typed(self, user_code: str) -> Device | None:
        """Returns the device of a code that a person typed, as it may be written."""
        plain = user_code.strip().upper()
        return next((one for one in self.devices.values() if one.user_code == plain), None)

    def keep_token(self, token: dict[str, Any], request: Any) -> None:
        """Remembers what a refresh token stands for."""
        if given := token.get("refresh_token"):
            self.refreshes[given] = Refresh(request.user, request.client.client_id, token.get("scope", ""))
