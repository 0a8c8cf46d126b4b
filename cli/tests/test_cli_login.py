"""`qd login` and `qd logout`, with a provider made of Authlib on a real port."""

import asyncio
import json
import subprocess
import sys
import threading
import urllib.parse
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pytest

from hack.identity.people import Client, Person
from hack.identity.serving import Provider
from quarterdeck.cli.constants import EXIT_DENIED, EXIT_NOT_FOUND, EXIT_OK, EXIT_UNREACHABLE
from quarterdeck.cli.contexts import Context, find_context, resolve, save_context
from quarterdeck.cli.errors import CliError
from quarterdeck.cli.login.device import begin, wait
from quarterdeck.cli.login.kept import SOON, SignIn, claims_of, current_token, keep, sign_in_of
from quarterdeck.cli.login.provider import endpoints_of
from quarterdeck.cli.main import main

CLIENT, SCOPES = "quarterdeck", ("openid", "offline_access")


@pytest.fixture
def provider(monkeypatch):
    monkeypatch.setenv("AUTHLIB_INSECURE_TRANSPORT", "1")
    made = Provider(Client(CLIENT, ()), [Person("anna", ("books",))])
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    asyncio.run_coroutine_threadsafe(made.start(), loop).result(10)
    yield made
    asyncio.run_coroutine_threadsafe(made.stop(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def typed(begun, person):
    form = urllib.parse.urlencode({"user_code": begun["user_code"], "person": person}).encode()
    urllib.request.urlopen(begun["verification_uri"], form, timeout=10).close()


def signed_in(provider, path):
    endpoints = endpoints_of(provider.issuer)
    begun = begin(endpoints, CLIENT, SCOPES)
    typed(begun, "anna")
    said = wait(endpoints, CLIENT, begun, sleep=lambda _: None)
    sign_in = sign_in_of("corp", endpoints.token, CLIENT, said)
    keep(path, sign_in)
    return sign_in


def test_tokens_come_when_the_code_is_typed_and_a_hurry_slows_down(provider):
    endpoints = endpoints_of(provider.issuer)
    begun = begin(endpoints, CLIENT, SCOPES)
    pauses = []

    def sleep(seconds):
        pauses.append(seconds)
        if len(pauses) == 3:
            typed(begun, "anna")

    said = wait(endpoints, CLIENT, begun, sleep)
    assert claims_of(said["id_token"])["sub"] == "anna"
    # It asked again at once, was told to slow down, and did.
    assert pauses == [1.0, 1.0, 6.0]


def test_a_refusal_is_said(provider):
    endpoints = endpoints_of(provider.issuer)
    begun = begin(endpoints, CLIENT, SCOPES)
    typed(begun, "")
    with pytest.raises(CliError, match="refused") as caught:
        wait(endpoints, CLIENT, begun, sleep=lambda _: None)
    assert caught.value.code == EXIT_DENIED


def test_nobody_waits_for_ever(provider):
    endpoints = endpoints_of(provider.issuer)
    begun = {**begin(endpoints, CLIENT, SCOPES), "expires_in": 3}
    now = [0.0]

    def sleep(seconds):
        now[0] += seconds

    with pytest.raises(CliError, match="in time"):
        wait(endpoints, CLIENT, begun, sleep, lambda: now[0])


def test_a_program_that_is_not_registered_is_refused(provider):
    with pytest.raises(CliError, match="invalid_client"):
        begin(endpoints_of(provider.issuer), "another", SCOPES)


def test_who_calls_itself_by_another_name_is_not_believed(provider):
    with pytest.raises(CliError, match="calls itself"):
        endpoints_of(provider.issuer + "/")


@pytest.mark.parametrize("issuer", ["http://login.corp.example", "http://127.0.0.1:1"])
def test_an_address_that_is_not_safe_or_does_not_answer(issuer):
    with pytest.raises(CliError) as caught:
        endpoints_of(issuer)
    assert caught.value.code == EXIT_UNREACHABLE


def test_what_is_kept_is_private(provider, tmp_path):
    path = tmp_path / "sign-ins" / "corp.json"
    signed_in(provider, path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


_ANOTHER = "import sys, pathlib; from quarterdeck.cli.login.kept import current_token as token; "
_ANOTHER += "print(token(pathlib.Path(sys.argv[1]), 'corp'))"


def test_a_token_that_ends_is_made_new_once_by_many_processes(provider, tmp_path):
    path = tmp_path / "corp.json"
    provider.protocol.seconds = int(SOON) - 1
    first = signed_in(provider, path)
    provider.protocol.seconds = 300

    def another(_):
        words = [sys.executable, "-c", _ANOTHER, str(path)]
        return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()

    with ThreadPoolExecutor(3) as pool:
        tokens = set(pool.map(another, range(3)))
    assert len(tokens) == 1
    assert first.id_token not in tokens


def test_one_who_is_gone_gets_no_new_token(provider, tmp_path):
    path = tmp_path / "corp.json"
    provider.protocol.seconds = 1
    signed_in(provider, path)
    provider.roster.people.clear()
    with pytest.raises(CliError, match="has ended") as caught:
        current_token(path, "corp")
    assert caught.value.code == EXIT_DENIED
    assert caught.value.hint == "run `qd login --context corp`"


def test_without_a_refresh_token_one_signs_in_again(tmp_path):
    path = tmp_path / "corp.json"
    keep(path, SignIn("corp", "http://127.0.0.1:1/token", CLIENT, "a.e30.c"))
    with pytest.raises(CliError, match="has ended"):
        current_token(path, "corp")


def test_a_damaged_file_is_said(tmp_path):
    path = tmp_path / "corp.json"
    path.write_text(json.dumps({"provider": "corp"}))
    with pytest.raises(CliError, match="cannot be read"):
        current_token(path, "corp")


def test_an_answer_without_an_id_token_is_no_sign_in():
    with pytest.raises(CliError, match="without tokens"):
        sign_in_of("corp", "", CLIENT, {"access_token": "a"})


def test_the_context_keeps_the_sign_in_until_the_sign_out(gateway, provider, monkeypatch, capsys):
    shown = {"name": "corp", "issuer": provider.issuer, "clientId": CLIENT, "scopes": list(SCOPES)}
    gateway.on("GET /auth/providers", {"items": [shown]})
    monkeypatch.delenv("QD_TOKEN")

    def typed_at_once(*given):
        begun = begin(*given)
        typed(begun, "anna")
        return begun

    monkeypatch.setattr("quarterdeck.cli.login.device.begin", typed_at_once)
    assert main(["login"]) == EXIT_OK
    assert "signed in as corp:anna" in capsys.readouterr().out
    assert claims_of(resolve().token)["groups"] == ["books"]
    assert main(["logout"]) == EXIT_OK
    assert not find_context().sign_in
    assert main(["logout"]) == EXIT_NOT_FOUND


def test_a_token_given_takes_the_place_of_a_sign_in(provider, tmp_path):
    path = tmp_path / "corp.json"
    sign_in = signed_in(provider, path)
    save_context(Context("corp", server="https://q.example", sign_in=str(path)), current=True)
    assert resolve().token == sign_in.id_token
    assert main(["config", "set-context", "corp", "--token", "t"]) == EXIT_OK
    assert resolve().token == "t"


@pytest.mark.parametrize(("names", "words"), [((), []), (("a", "b"), []), (("a",), ["b"])])
def test_it_has_to_be_clear_where(gateway, capsys, names, words):
    shown = [{"name": name, "issuer": "", "clientId": "", "scopes": []} for name in names]
    gateway.on("GET /auth/providers", {"items": shown})
    assert main(["login", *words]) == EXIT_NOT_FOUND
    assert "identity provider" in capsys.readouterr().err
