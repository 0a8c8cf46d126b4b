"""Who may reach what through the egress proxy."""

from urllib.parse import unquote

import pytest

from quarterdeck.mcp.egress.questions import answer
from quarterdeck.mcp.egress.rules import addresses_of, may_reach


@pytest.mark.parametrize(
    ("allowed", "host", "port", "fits"),
    [
        ("api.example.com", "api.example.com", 443, True),
        ("api.example.com", "API.Example.com.", 80, True),
        ("api.example.com", "api.example.com", 22, False),
        ("api.example.com", "example.com", 443, False),
        ("api.example.com", "api.example.com.evil.test", 443, False),
        ("api.example.com", "xapi.example.com", 443, False),
        ("*.example.com", "a.b.example.com", 443, True),
        ("*.example.com", "example.com", 443, False),
        ("*.example.com", ".example.com", 443, False),
        ("*.example.com", "notexample.com", 443, False),
        ("db.example.com:5432", "db.example.com", 5432, True),
        ("db.example.com:5432", "db.example.com", 443, False),
        ("192.0.2.7", "192.0.2.7", 443, True),
    ],
)
def test_a_host_is_allowed_by_its_whole_name_and_its_port(allowed, host, port, fits):
    assert may_reach([allowed], host, port) is fits


def pod(name="p", ip="10.1.0.5", phase="Running", egress="api.example.com,*.cdn.test:8443", **spec):
    return {
        "metadata": {
            "name": name,
            "namespace": "acme",
            "labels": {"quarterdeck.dev/mcp-server": "weather"},
            "annotations": {"quarterdeck.dev/egress": egress} if egress else {},
        },
        "spec": spec,
        "status": {"phase": phase, "podIPs": [{"ip": ip}] if ip else []},
    }


@pytest.mark.parametrize(
    ("one", "addresses"),
    [
        (pod(), ["10.1.0.5"]),
        (pod(phase="Pending"), ["10.1.0.5"]),
        (pod(phase="Succeeded"), []),
        (pod(phase="Failed"), []),
        (pod(hostNetwork=True), []),
        (pod(ip=""), []),
        ({"metadata": {"name": "new", "namespace": "acme"}}, []),
    ],
)
def test_a_pod_is_known_by_addresses_that_are_its_alone(one, addresses):
    assert list(addresses_of(one)) == addresses


def asked(line, *pods):
    return unquote(answer(line, lambda address: [one for one in pods if address in addresses_of(one)]))


def test_the_proxy_is_told_who_asks():
    assert asked("7 10.1.0.5 api.example.com 443", pod()) == "7 OK tag=acme/weather"
    assert asked("8 10.1.0.5 img.cdn.test 8443", pod()) == "8 OK tag=acme/weather"


def test_the_proxy_itself_may_ask_whether_it_is_ready():
    assert asked("7 127.0.0.1 ready.invalid 443") == "7 OK"


@pytest.mark.parametrize(
    ("line", "pods", "why"),
    [
        ("1 10.1.0.5 ready.invalid 443", [pod()], "names no egress to ready.invalid:443"),
        ("1 10.1.0.5 other.test 443", [pod()], "MCPServer acme/weather names no egress to other.test:443"),
        ("1 10.1.0.5 api.example.com 443", [pod(egress="")], "names no egress"),
        ("1 10.1.0.9 api.example.com 443", [pod()], "0 tool pods have the address 10.1.0.9"),
        ("1 10.1.0.5 api.example.com 443", [pod(), pod("q", egress="")], "2 tool pods have the address"),
        ("1 10.1.0.5 - 443", [pod()], "names no egress to -:443"),
        ("1 10.1.0.5 api.example.com -", [pod()], "not understood"),
        ("1 10.1.0.5", [pod()], "not understood"),
        ("1 10.1.0.5 api.example.com%0a2%20OK 443", [pod()], "names no egress"),
    ],
)
def test_everything_else_is_refused_with_a_reason(line, pods, why):
    told = answer(line, lambda address: [one for one in pods if address in addresses_of(one)])
    assert told.startswith("1 ERR message=")
    assert "\n" not in told
    assert why in unquote(told)
