"""Tokens of identity providers, from one on a real port: discovery, keys that change, what is refused."""

import base64
import json
import time

import jwt
import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm
from pydantic import ValidationError

from quarterdeck.common.errors import Unavailable
from quarterdeck.common.identity import Principal
from quarterdeck.common.outbound.policy import Outbound
from quarterdeck.gateway.config import GatewaySettings
from quarterdeck.gateway.oidc.claims import peek, principal_of
from quarterdeck.gateway.oidc.fetching import keys_of
from quarterdeck.gateway.oidc.keys import FRESH, LEAST_PAUSE, STANDING
from quarterdeck.gateway.oidc.opening import open_oidc
from quarterdeck.gateway.oidc.providers import Provider
from quarterdeck.gateway.oidc.tokens import KEPT, LEEWAY, REMEMBERED, OidcTokens

AUDIENCE = "quarterdeck"
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER = rsa.generate_private_key(public_exponent=65537, key_size=2048)
KEYS = {
    "RS256": (RSA, RSAAlgorithm),
    "PS256": (RSA, RSAAlgorithm),
    "ES256": (ec.generate_private_key(ec.SECP256R1()), ECAlgorithm),
    "EdDSA": (ed25519.Ed25519PrivateKey.generate(), OKPAlgorithm),
}


class Issuer:
    """An identity provider: its documents over HTTP, its tokens by its keys."""

    def __init__(self):
        self.keys = {}
        self.asked = 0
        self.issuer = ""
        self.broken = {}

    def publish(self, key_id, key=RSA, algorithm=RSAAlgorithm, **more):
        self.keys[key_id] = {**algorithm.to_jwk(key.public_key(), as_dict=True), "kid": key_id, **more}

    def token(self, key_id="k1", key=RSA, algorithm="RS256", headers=None, **claims):
        now = int(time.time())
        body = {"iss": self.issuer, "aud": AUDIENCE, "sub": "anna", "iat": now, "exp": now + 300, **claims}
        body = {name: value for name, value in body.items() if value is not None}
        return jwt.encode(body, key, algorithm, headers={"kid": key_id, **(headers or {})})

    async def start(self):
        app = web.Application()
        app.router.add_get("/.well-known/openid-configuration", self._about)
        app.router.add_get("/keys", self._keys)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.issuer = f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}"

    async def stop(self):
        await self._runner.cleanup()

    async def _about(self, _):
        said = {"issuer": self.issuer, "jwks_uri": f"{self.issuer}/keys"}
        return self.broken.get("about") or web.json_response({**said, **self.broken.get("says", {})})

    async def _keys(self, _):
        self.asked += 1
        return self.broken.get("keys") or web.json_response({"keys": list(self.keys.values())})


@pytest.fixture
async def issuer():
    made = Issuer()
    await made.start()
    made.publish("k1")
    yield made
    await made.stop()


class Door(OidcTokens):
    """The tokens of one provider, and a clock that is moved by hand."""

    def __init__(self, issuer, **more):
        self.refusals, self.time = [], 0.0
        provider = Provider(name="corp", issuer=issuer.issuer, audience=AUDIENCE, **more)
        outbound = Outbound.parse((), loopback=True)
        super().__init__(
            [provider], self.refusals.append, lambda one: lambda: keys_of(one, outbound), lambda: self.time
        )


@pytest.fixture
def door(issuer):
    return Door(issuer)


async def test_a_token_lets_in_whom_it_names_with_the_providers_name_before(issuer, door):
    token = issuer.token(groups=["books", "ops"])
    assert door.knows(token)
    assert await door.principal(token) == Principal("corp:anna", ("corp:books", "corp:ops"))


@pytest.mark.parametrize("algorithm", KEYS)
async def test_each_sort_of_key(issuer, door, algorithm):
    key, kind = KEYS[algorithm]
    issuer.publish("own", key, kind, alg=algorithm)
    assert await door.principal(issuer.token("own", key, algorithm)) == Principal("corp:anna")


NOW = int(time.time())
WRONG = {
    "expired": {"exp": NOW - LEEWAY - 5},
    "not yet": {"nbf": NOW + 3600},
    "made tomorrow": {"iat": NOW + 86400},
    "for another": {"aud": "another"},
    "for others": {"aud": ["a", "b"]},
    "for nobody": {"aud": None},
    "without an end": {"exp": None},
    "an end that is none": {"exp": "soon"},
    "of nobody": {"sub": None},
    "of an empty name": {"sub": ""},
    "a name with a line in it": {"sub": "anna\nroot"},
    "a name that is long": {"sub": "a" * 300},
    "signed by another": {"key": OTHER},
    "a logout token": {"headers": {"typ": "logout+jwt"}},
    "with a demand": {"headers": {"crit": ["exp"], "exp": 1}},
    "a key that is not there": {"key_id": "k9"},
}


@pytest.mark.parametrize("case", WRONG)
async def test_what_proves_nothing(issuer, door, case):
    assert await door.principal(issuer.token(**WRONG[case])) is None
    assert len(door.refusals) == 1


async def test_another_algorithm_than_the_keys(issuer, door):
    public = RSA.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    body = {"iss": issuer.issuer, "aud": AUDIENCE, "sub": "anna", "exp": NOW + 300}
    import hashlib
    import hmac

    def part(value):
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    for header, secret in (({"alg": "HS256", "kid": "k1"}, public), ({"alg": "none", "kid": "k1"}, b"")):
        signed = f"{part(header)}.{part(body)}"
        mac = hmac.digest(secret, signed.encode(), hashlib.sha256) if secret else b""
        forged = f"{signed}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"
        assert await door.principal(forged) is None
    issuer.publish("k2", alg="PS256")
    assert await door.principal(issuer.token("k2")) is None


async def test_a_key_in_the_header_is_looked_at_by_nobody(issuer, door):
    own = RSAAlgorithm.to_jwk(OTHER.public_key(), as_dict=True)
    headers = {"jwk": own, "jku": "http://127.0.0.1:1/keys", "x5u": "http://127.0.0.1:1/"}
    assert await door.principal(issuer.token(key=OTHER, headers=headers)) is None


@pytest.mark.parametrize(
    "token", ["", "a", "a.b", "a.b.c", "....", "é.é.é", "bnVsbA.bnVsbA.x", "e30.e30.e30", "\udcff.a.b"]
)
async def test_what_is_no_token(door, token):
    assert peek(token) is None or token == "e30.e30.e30"
    assert not door.knows(token)
    assert await door.principal(token) is None


async def test_clocks_may_differ_a_little(issuer, door):
    assert await door.principal(issuer.token(exp=int(time.time()) - LEEWAY + 20)) is not None


async def test_keys_that_change_are_found_and_those_that_are_gone_let_nobody_in(issuer, door):
    assert await door.principal(issuer.token()) is not None
    issuer.keys.clear()
    issuer.publish("k2", OTHER)
    door.time += LEAST_PAUSE
    assert await door.principal(issuer.token("k2", OTHER)) is not None
    assert await door.principal(issuer.token(sub="otto")) is None, "the key before is gone"
    assert issuer.asked == 2


async def test_made_up_key_ids_do_not_ask_the_provider_again_and_again(issuer, door):
    await door.principal(issuer.token())
    for place in range(50):
        assert await door.principal(issuer.token(f"made-up-{place}")) is None
    assert issuer.asked == 1
    assert set(door.refusals) == {"unknown-key"}


async def test_a_provider_that_is_away_locks_nobody_out_whose_proof_can_be_checked(issuer, door):
    await door.principal(issuer.token())
    issuer.broken["keys"] = web.Response(status=500)
    door.time += FRESH + 1
    assert await door.principal(issuer.token(sub="otto")) == Principal("corp:otto")
    door.time += LEAST_PAUSE
    with pytest.raises(Unavailable) as caught:
        await door.principal(issuer.token("k2", OTHER))
    assert caught.value.reason == "IdentityProviderUnavailable"
    door.time += STANDING
    with pytest.raises(Unavailable):
        await door.principal(issuer.token(sub="otto"))


@pytest.mark.parametrize(
    "broken",
    [
        {"about": lambda: web.Response(status=404)},
        {"about": lambda: web.Response(status=302, headers={"Location": "http://127.0.0.1:1/"})},
        {"about": lambda: web.Response(text="<html>")},
        {"about": lambda: web.Response(text="[]")},
        {"about": lambda: web.Response(body=b" " * (1024 * 1024 + 1))},
        {"says": lambda: {"issuer": "https://another.example"}},
        {"says": lambda: {"jwks_uri": "http://keys.example/keys"}},
        {"says": lambda: {"jwks_uri": "file:///etc/passwd"}},
        {"says": lambda: {"jwks_uri": 7}},
    ],
)
async def test_a_provider_that_answers_something_else_opens_nothing(issuer, door, broken):
    issuer.broken = {name: make() for name, make in broken.items()}
    with pytest.raises(Unavailable):
        await door.principal(issuer.token())


async def test_a_provider_that_never_answered_is_asked_seldom_and_waited_for_by_few(issuer, door):
    issuer.broken["keys"] = web.Response(status=500)
    for place in range(20):
        with pytest.raises(Unavailable):
            await door.principal(issuer.token(f"k{place}"))
    assert issuer.asked == 1
    issuer.broken.clear()
    door.time += LEAST_PAUSE
    assert await door.principal(issuer.token()) is not None


async def test_a_verified_token_is_remembered_for_a_moment_and_never_longer_than_it_lasts(issuer, door):
    token = issuer.token()
    await door.principal(token)
    issuer.keys.clear()
    assert await door.principal(token) is not None
    door.time += max(REMEMBERED, FRESH) + 1
    assert await door.principal(token) is None
    assert len(door._verified) <= KEPT


def test_groups_are_what_they_should_be_or_none():
    provider = Provider(
        name="corp", issuer="https://idp.example", audience="a", groups_claim="roles", tenant="acme"
    )
    said = {"sub": "anna", "roles": ["a", 7, None, "", "b", "a", "x\ny"]}
    assert principal_of(provider, said) == Principal("corp:anna", ("corp:a", "corp:b"), "acme")
    assert principal_of(provider, {"sub": "anna", "roles": "one"}).groups == ("corp:one",)
    assert principal_of(provider, {"sub": "anna", "roles": {"a": 1}}).groups == ()
    many = principal_of(provider, {"sub": "anna", "roles": [str(place) for place in range(1000)]})
    assert len(many.groups) == 256
    pretended = principal_of(provider, {"sub": "local:admin", "roles": ["quarterdeck:platform-admins"]})
    assert pretended.subject == "corp:local:admin" and not pretended.is_platform_admin


def test_an_address_counts_only_if_it_was_confirmed():
    provider = Provider(name="corp", issuer="https://idp.example", audience="a", subject_claim="email")
    said = {"sub": "1", "email": "anna@corp.example"}
    assert principal_of(provider, said) is None
    assert principal_of(provider, {**said, "email_verified": "true"}) is None
    assert principal_of(provider, {**said, "email_verified": True}).subject == "corp:anna@corp.example"


@pytest.mark.parametrize(
    "given",
    [
        {"name": "system"}, {"name": "account"}, {"name": "a:b"}, {"name": ""}, {"issuer": "http://idp.example"},
        {"issuer": "https://u:p@idp.example"}, {"issuer": "https://idp.example/?x=1"}, {"issuer": "ftp://x"},
        {"audience": ""}, {"colour": "red"},
    ],
)  # fmt: skip
def test_a_provider_that_is_not_set_up_rightly_stops_the_start(given):
    right = {"name": "corp", "issuer": "https://idp.example", "audience": "quarterdeck"}
    with pytest.raises(ValidationError):
        GatewaySettings(identity_providers=[{**right, **given}])
    assert GatewaySettings(identity_providers=[right])


def test_two_providers_are_two(monkeypatch):
    one = {"name": "corp", "issuer": "https://idp.example", "audience": "quarterdeck"}
    for same in ({"name": "other"}, {"issuer": "https://other.example"}):
        monkeypatch.setenv("QD_GATEWAY_IDENTITY_PROVIDERS", json.dumps([one, {**one, **same}]))
        with pytest.raises(ValidationError, match="two identity providers"):
            GatewaySettings()


async def test_at_the_door(issuer, house):
    provider = Provider(name="corp", issuer=issuer.issuer, audience=AUDIENCE, tenant="acme")
    house.gateway._parts.authenticator._reviewers += (open_oidc(house.platform, [provider]),)

    async def told(token):
        return await house.client.get("/api/v1/auth/whoami", headers={"Authorization": f"Bearer {token}"})

    answer = (await told(issuer.token(groups=["books"]))).json()
    assert (answer["principal"], answer["groups"], answer["tenant"]) == ("corp:anna", ["corp:books"], "acme")
    refused = [await told(token) for token in (issuer.token(aud="x"), issuer.token(exp=NOW - 999), "a.b.c")]
    assert [one.status_code for one in refused] == [401] * 3
    assert len({one.json()["detail"] for one in refused}) == 1
    issuer.broken["keys"] = web.Response(status=500)
    assert (await told(issuer.token("k2", OTHER))).status_code == 401, (
        "asked a moment ago: there is no such key"
    )
