"""Signing in in a browser, at a provider made of Authlib on a real port."""

import time
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from pydantic import ValidationError

from hack.identity.people import Client, Person
from hack.identity.serving import Provider as RealProvider
from quarterdeck.gateway.config import GatewaySettings
from quarterdeck.gateway.oidc.providers import Provider
from quarterdeck.gateway.sessions.beginning import Seal, begin, path_here
from quarterdeck.gateway.sessions.cookies import is_from_here, read, written
from quarterdeck.gateway.sessions.place import public_origin

CLIENT = "quarterdeck"
WHO = "/api/v1/auth/whoami"


@pytest.fixture
async def provider(monkeypatch):
    monkeypatch.setenv("AUTHLIB_INSECURE_TRANSPORT", "1")
    made = RealProvider(Client(CLIENT, ()), [Person("anna", ("books",))])
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
def gateway_settings(provider, tmp_path):
    known = Provider(name="corp", issuer=provider.issuer, audience=CLIENT)
    return GatewaySettings(http_port=0, grpc_port=0, identity_providers=(known,), session_seconds=3600)


@pytest.fixture
async def browser(house, provider):
    """A browser without any token; the provider knows where to send it back to."""
    base = f"http://127.0.0.1:{house.gateway.http_port}"
    provider.roster.client = Client(CLIENT, (f"{base}/api/v1/auth/callback",))
    async with httpx.AsyncClient(base_url=base, timeout=10) as client:
        yield client


async def sent_back(browser, person="anna", **query):
    """Goes to the provider, says who one is, and returns the address to come back to."""
    there = await browser.get("/api/v1/auth/login", params={"provider": "corp", **query})
    assert there.status_code == 302
    back = await browser.post(there.headers["location"], data={"person": person})
    return back.headers["location"]


async def signed_in(browser, **query):
    return await browser.get(await sent_back(browser, **query))


async def test_there_and_back_again_and_out(browser):
    assert (await browser.get(WHO)).status_code == 401
    arrived = await signed_in(browser, back="/console/#/runs")
    assert (arrived.status_code, arrived.headers["location"]) == (303, "/console/#/runs")
    who = (await browser.get(WHO)).json()
    assert (who["principal"], who["groups"]) == ("corp:anna", ["corp:books"])
    assert (
        await browser.post("/api/v1/auth/logout", headers={"Sec-Fetch-Site": "same-origin"})
    ).status_code == 204
    assert (await browser.get(WHO)).status_code == 401


async def test_the_cookie_is_dead_after_the_sign_out_wherever_it_was_copied_to(browser):
    await signed_in(browser)
    copied = {"Cookie": f"quarterdeck-session={browser.cookies['quarterdeck-session']}"}
    await browser.post("/api/v1/auth/logout", headers={"Sec-Fetch-Site": "same-origin"})
    assert (await browser.get(WHO, headers=copied)).status_code == 401


async def test_scripts_and_other_sites_do_not_get_the_cookie(browser):
    cookies = (await signed_in(browser)).headers.get_list("set-cookie")
    session = next(one for one in cookies if one.startswith("quarterdeck-session="))
    assert {"HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=3600"} <= set(session.split("; "))


@pytest.mark.parametrize("headers", [{}, {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}])
async def test_another_site_changes_nothing_with_it(browser, headers):
    await signed_in(browser)
    checked = {"verb": "get", "resource": "runs"}
    answer = await browser.post("/api/v1/auth/check", json=checked, headers=headers)
    assert (answer.status_code, answer.json()["reason"]) == (403, "CrossSite")
    assert (await browser.post("/api/v1/auth/logout", headers=headers)).status_code == 403
    same = {"Sec-Fetch-Site": "same-origin"}
    assert (await browser.post("/api/v1/auth/check", json=checked, headers=same)).status_code == 200


async def test_a_session_ends(house, browser):
    await signed_in(browser)
    now = house.platform.clock.now
    house.gateway._parts.sessions._now = lambda: now() + 3601
    assert (await browser.get(WHO)).status_code == 401


async def test_what_was_begun_elsewhere_is_not_finished_here(browser):
    """Or else somebody could be signed in as an attacker, and tell him their secrets."""
    address = await sent_back(browser)
    browser.cookies.clear()
    answer = await browser.get(address)
    assert (answer.status_code, answer.json()["reason"]) == (400, "InvalidArgument")
    assert "set-cookie" not in answer.headers


async def test_the_answer_to_another_beginning_is_refused(browser):
    first = await sent_back(browser)
    await sent_back(browser)
    assert (await browser.get(first)).status_code == 400


async def test_a_code_counts_once(browser):
    address = await sent_back(browser)
    kept = dict(browser.cookies)
    assert (await browser.get(address)).status_code == 303
    browser.cookies.clear()
    browser.cookies.update(kept)
    assert (await browser.get(address)).status_code == 401


async def test_a_token_that_is_not_for_this_sign_in_is_refused(browser, provider):
    address = await sent_back(browser)
    code = parse_qs(urlsplit(address).query)["code"][0]
    kept = provider.roster.codes[code]
    made = {name: getattr(kept, name) for name in type(kept).__slots__}
    provider.roster.codes[code] = type(kept)(**made | {"nonce": "another"})
    assert (await browser.get(address)).status_code == 401


async def test_a_code_that_was_stolen_is_worth_nothing_without_what_it_was_asked_with(browser, provider):
    code = parse_qs(urlsplit(await sent_back(browser)).query)["code"][0]
    form = {"grant_type": "authorization_code", "code": code, "client_id": CLIENT, "code_verifier": "x" * 43}
    form["redirect_uri"] = provider.roster.client.redirect_uris[0]
    stolen = await browser.post(f"{provider.issuer}/token", data=form)
    assert (stolen.status_code, stolen.json()["error"]) == (400, "invalid_grant")


async def test_who_refuses_is_not_signed_in(browser):
    answer = await signed_in(browser, person="")
    assert answer.status_code == 400
    assert (await browser.get(WHO)).status_code == 401


async def test_a_provider_that_is_not_known_or_away(browser, provider):
    assert (await browser.get("/api/v1/auth/login", params={"provider": "other"})).status_code == 404
    await provider.stop()
    assert (await browser.get("/api/v1/auth/login", params={"provider": "corp"})).status_code == 503


async def test_nobody_is_sent_to_another_host_by_a_forged_one(browser):
    forged = {"Host": "evil.example"}
    answer = await browser.get("/api/v1/auth/login", params={"provider": "corp"}, headers=forged)
    assert (answer.status_code, answer.json()["reason"]) == (412, "FailedPrecondition")


@pytest.mark.parametrize(
    "text", ["//evil.example", "https://evil.example/", "/\\evil.example", "javascript:x", "", "/a\nb"]
)
def test_nobody_is_sent_away_at_last(text):
    assert path_here(text) == "/console/"


def test_what_a_browser_takes_along_says_nothing_and_cannot_be_changed():
    provider = Provider(name="corp", issuer="https://login.example", audience=CLIENT)
    begun, seal = begin(provider, "/console/"), Seal(b"p" * 48)
    closed = seal.close(begun)
    assert begun.verifier not in closed
    assert seal.open(closed) == begun
    assert seal.open(closed[:-2] + "AA") is None
    assert Seal(b"q" * 48).open(closed) is None
    assert seal.open("é") is None


def test_a_sign_in_has_to_be_finished_in_time(monkeypatch):
    provider = Provider(name="corp", issuer="https://login.example", audience=CLIENT)
    seal = Seal(b"p" * 48)
    closed = seal.close(begin(provider, "/"))
    later = time.time() + 601
    monkeypatch.setattr(time, "time", lambda: later)
    assert seal.open(closed) is None


def test_behind_tls_no_other_host_sets_the_cookie():
    text = written("s", "v", 5, is_https=True)
    assert text.startswith("__Host-s=v;")
    assert text.endswith("; Secure")
    assert read("__Host-s=v", "s", is_https=True) == "v"
    assert read("s=v", "s", is_https=True) == ""
    assert read("=;;\x00", "s", is_https=True) == ""


@pytest.mark.parametrize(
    ("method", "headers", "fits"),
    [
        ("GET", {b"sec-fetch-site": b"cross-site"}, True),
        ("POST", {b"sec-fetch-site": b"same-origin"}, True),
        ("POST", {b"sec-fetch-site": b"none"}, False),
        ("POST", {b"origin": b"https://q.example"}, True),
        ("POST", {b"origin": b"https://evil.example"}, False),
        ("POST", {b"sec-fetch-site": b"cross-site", b"origin": b"https://q.example"}, False),
        ("DELETE", {}, False),
    ],
)
def test_whose_wish_a_request_is(method, headers, fits):
    assert is_from_here(method, headers, "https://q.example") is fits


def test_where_browsers_come_back_to():
    assert public_origin(GatewaySettings(), "127.0.0.1:7410") == "http://127.0.0.1:7410"
    assert public_origin(GatewaySettings(), "evil.example") == ""
    assert public_origin(GatewaySettings(host="0.0.0.0"), "127.0.0.1:7410") == ""
    said = GatewaySettings(host="0.0.0.0", public_url="https://q.example")
    assert public_origin(said, "evil.example") == "https://q.example"


@pytest.mark.parametrize("url", ["http://q.example", "https://q.example/path", "https://u:p@q.example", "q"])
def test_a_place_that_is_not_safe_is_refused_at_the_start(url):
    with pytest.raises(ValidationError):
        GatewaySettings(public_url=url)
