"""Kubeconfigs, the account of a pod and plug-ins for credentials: what needs no API server."""

import base64
import json
import os
import stat
import time

import psutil
import pytest
import yaml

from quarterdeck.controller.api.connection import connect
from quarterdeck.controller.api.errors import Unreachable
from quarterdeck.controller.configuration import plugin
from quarterdeck.controller.configuration.errors import NoCluster
from quarterdeck.controller.configuration.finding import find

CLUSTER = {"server": "http://127.0.0.1:1"}
PLUGIN = {"apiVersion": "client.authentication.k8s.io/v1", "command": "./helper"}


def config(user=None, cluster=None, **more):
    """A kubeconfig with one context, "dev"."""
    content = {
        "clusters": [{"name": "dev", "cluster": CLUSTER | (cluster or {})}],
        "users": [{"name": "dev", "user": user or {}}],
        "contexts": [{"name": "dev", "context": {"cluster": "dev", "user": "dev"}}],
        "current-context": "dev",
    }
    return content | more


@pytest.fixture
def write(tmp_path):
    """Writes a kubeconfig into a folder of its own and returns its name."""

    def written(content, name="a"):
        file = tmp_path / name / "config"
        file.parent.mkdir(exist_ok=True)
        file.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
        return str(file)

    return written


@pytest.fixture
def helper(tmp_path):
    """Writes the program that PLUGIN names."""

    def written(script):
        file = tmp_path / "a" / "helper"
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(file.stat().st_mode | stat.S_IXUSR)

    return written


def answer(**status):
    told = {"apiVersion": PLUGIN["apiVersion"], "kind": "ExecCredential", "status": status}
    return f"cat <<'END'\n{json.dumps(told)}\nEND"


def read(found, *, anew=False):
    return found.source.read(anew=anew)


def test_the_first_file_that_says_something_wins_entry_by_entry(write):
    first = write({"clusters": [{"name": "dev", "cluster": {"server": "https://first"}}]})
    second = write(config({"token": "second"}, {"server": "https://second", "tls-server-name": "x"}), "b")
    found = find(f"{first}{os.pathsep}{second}{os.pathsep}{first}x")
    assert (found.host, found.server_name) == ("https://first", "")
    assert read(found).authorization == "Bearer second"


def test_the_context_is_the_current_one_or_the_one_that_is_wanted(write):
    contexts = [{"name": name, "context": {"cluster": name}} for name in ("dev", "prod")]
    clusters = [{"name": name, "cluster": {"server": f"https://{name}"}} for name in ("dev", "prod")]
    file = write(config(contexts=contexts, clusters=clusters))
    assert find(file).host == "https://dev"
    assert find(file, "prod").host == "https://prod"
    assert read(find(file)).authorization == ""


def test_names_of_files_are_relative_to_the_file_that_says_them(write, tmp_path):
    token = tmp_path / "b" / "token"
    first = write({"current-context": "dev"})
    second = write(config({"tokenFile": "token", "token": "older"}), "b")
    token.write_text("from-a-file\n")
    found = find(f"{first}:{second}")
    assert read(found).authorization == "Bearer from-a-file"
    token.write_text("written-again")
    assert read(found).authorization == "Bearer written-again"
    token.unlink()
    assert read(found).authorization == "Bearer written-again"


def test_data_goes_before_files(write):
    data = base64.b64encode(b"PEM").decode()
    given = {"certificate-authority-data": data, "certificate-authority": "/nowhere", "server": "https://x/"}
    found = find(write(config(cluster=given)))
    assert (found.authority, found.host) == (b"PEM", "https://x")


def test_a_name_with_a_password(write):
    found = read(find(write(config({"username": "me", "password": "pass:word"}))))
    assert found.authorization == "Basic " + base64.b64encode(b"me:pass:word").decode()


@pytest.mark.parametrize(
    ("content", "where", "what"),
    [
        ("[1, 2]", "config", "is no kubeconfig"),
        ("a: [", "config", "is not YAML"),
        (config(contexts=[]), "kubeconfig", "there is no context 'dev'; known: none"),
        ({}, "kubeconfig", "no context is the current one"),
        (config(users=[]), "contexts[dev].user", "there is no user 'dev'"),
        (config(clusters="x"), "clusters", "must be a list"),
        (config(clusters=[{"cluster": {}}]), "clusters[0]", "must have a name"),
        (config(cluster={"server": "10.0.0.1"}), "clusters[dev].server", "'10.0.0.1' is no address"),
        (config(cluster={"proxy-url": "socks5://x"}), "clusters[dev].proxy-url", "only proxies at http://"),
        (
            config(cluster={"certificate-authority": "gone"}),
            "clusters[dev].certificate-authority",
            "No such file",
        ),
        (config(cluster={"certificate-authority-data": "!"}), "certificate-authority-data", "is not base64"),
        (
            config(cluster={"certificate-authority-data": "eA==", "insecure-skip-tls-verify": True}),
            "clusters[dev].insecure-skip-tls-verify",
            "choose one",
        ),
        (config({"as": "root"}), "users[dev].as", "we speak for nobody else"),
        (config({"auth-provider": {"name": "gcp"}}), "users[dev].auth-provider", "is no more"),
        (config({"exec": None}), "users[dev].exec.command", "is missing"),
        (config({"exec": PLUGIN | {"apiVersion": "v9"}}), "users[dev].exec.apiVersion", "'v9' is none of"),
        (config({"exec": PLUGIN | {"interactiveMode": "Always"}}), "exec.interactiveMode", "nobody to talk"),
        (config({"exec": PLUGIN | {"env": [1]}}), "users[dev].exec.env", "names and values"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(write, content, where, what):
    with pytest.raises(NoCluster, match="there is no cluster") as refused:
        find(write(content))
    assert refused.value.where.endswith(where)
    assert what in refused.value.message and refused.value.hint


async def test_broken_certificates_are_said_too(write):
    pem = base64.b64encode(b"nonsense").decode()
    for cluster in ({"certificate-authority-data": pem}, {}):
        both = {"client-certificate-data": pem, "client-key-data": pem}
        with pytest.raises(NoCluster, match="certificate"):
            await connect(write(config(both, cluster | {"server": "https://x"})))
    with pytest.raises(NoCluster, match=r"users\[dev\].client-key"):
        await connect(write(config({"client-certificate-data": pem})))


def test_without_anything_it_says_what_was_looked_for(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(NoCluster, match="this is no pod, KUBECONFIG is not set") as refused:
        find(environment={})
    assert "KUBECONFIG" in refused.value.hint
    with pytest.raises(NoCluster, match="/none: no such file"):
        find(environment={"KUBECONFIG": "/none"})


def test_a_kubeconfig_goes_before_the_account_of_a_pod(write, tmp_path):
    (tmp_path / "ca.crt").write_bytes(b"CA")
    (tmp_path / "token").write_text("pod\n")
    pod = {"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "6443"}
    found = find(environment=pod, account=tmp_path)
    assert (found.host, found.authority) == ("https://[fd00::1]:6443", b"CA")
    assert read(found).authorization == "Bearer pod"
    assert (
        find(environment=pod | {"KUBECONFIG": write(config())}, account=tmp_path).host == "http://127.0.0.1:1"
    )
    with pytest.raises(NoCluster, match="has no account") as refused:
        find(environment=pod, account=tmp_path / "none")
    assert "automountServiceAccountToken" in refused.value.hint


def test_a_plug_in_is_told_what_it_needs_and_asked_again_when_that_ends(write, helper, tmp_path):
    helper(
        'echo "$KUBERNETES_EXEC_INFO $SECRET $1" >> "$0.log"\n'
        + answer(token="t", expirationTimestamp="2026-01-01T01:00:00Z")
    )
    extension = {"name": plugin.CONFIG, "extension": {"region": "here"}}
    call = PLUGIN | {"args": ["one"], "env": [{"name": "SECRET", "value": "s"}], "provideClusterInfo": True}
    parts = config({"exec": call}, {"certificate-authority-data": "eA==", "extensions": [extension]})
    now = 1767225600.0  # 2026-01-01T00:00:00Z
    source = find(write(parts)).source.source
    source._clock = lambda: now
    log = tmp_path / "a" / "helper.log"
    assert [source.read(anew=False).authorization for _ in range(2)] == ["Bearer t"] * 2
    (line,) = log.read_text().splitlines()
    told, secret, argument = line.rsplit(" ", 2)
    assert (secret, argument) == ("s", "one")
    cluster = CLUSTER | {"certificate-authority-data": "eA==", "config": {"region": "here"}}
    assert json.loads(told)["spec"] == {"interactive": False, "cluster": cluster}
    now += 3600 - plugin.MARGIN
    source.read(anew=False)
    source.read(anew=True)
    assert len(log.read_text().splitlines()) == 3


@pytest.mark.parametrize(
    ("script", "what"),
    [
        ("echo nonsense", "did not answer with an ExecCredential"),
        ("echo '{}'", "did not answer with an ExecCredential"),
        (answer(), "answered without a token"),
        (answer(clientKeyData="x"), "answered without a token"),
        (answer(token="x").replace("/v1", "/v1beta1"), "was asked in"),
        ("echo no luck >&2; exit 3", "ended with 3: no luck"),
    ],
)
def test_a_plug_in_that_fails_is_said_with_what_it_said(write, helper, script, what):
    helper(script)
    with pytest.raises(NoCluster) as refused:
        read(find(write(config({"exec": PLUGIN | {"installHint": "get\nit"}}))))
    assert what in refused.value.message
    assert (refused.value.where.partition(": ")[2], refused.value.hint) == ("users[dev].exec", "get it")


def test_a_plug_in_that_is_not_there(write):
    with pytest.raises(NoCluster, match="cannot be run: No such file"):
        read(find(write(config({"exec": PLUGIN}))))


def test_a_plug_in_that_hangs_is_ended_with_what_it_started(write, helper, monkeypatch, tmp_path):
    monkeypatch.setattr(plugin, "SECONDS", 0.3)
    helper('sleep 60 & echo $! > "$0.pid"; wait')
    began = time.monotonic()
    with pytest.raises(NoCluster, match="did not answer within"):
        read(find(write(config({"exec": PLUGIN}))))
    assert time.monotonic() - began < 10
    started = int((tmp_path / "a" / "helper.pid").read_text())
    assert _is_over(started)


def _is_over(pid):
    """True if a process is gone, or only waits for its parent to hear of it."""
    for _ in range(100):
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.02)
    return False


async def test_credentials_that_end_later_are_a_server_that_cannot_be_reached(write, helper):
    helper(answer(token="t"))
    connection = await connect(write(config({"exec": PLUGIN})))
    assert await connection.headers() == {"Authorization": "Bearer t"}
    helper("exit 1")
    assert await connection.headers() == {"Authorization": "Bearer t"}
    with pytest.raises(Unreachable, match="ended with 1"):
        await connection.refresh()
    helper(answer(token="u"))
    await connection.refresh()
    assert await connection.headers() == {"Authorization": "Bearer u"}
