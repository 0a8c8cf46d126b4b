"""The name by which a tool server's pods are asked for."""

import pytest

from quarterdeck.mcp.cluster.naming import cluster_domain, service_host

IN_A_POD = """search quarterdeck.svc.corp.example svc.corp.example corp.example lan
nameserver 10.96.0.10
options ndots:5
"""


@pytest.mark.parametrize(
    ("resolver", "domain"),
    [
        (IN_A_POD, "corp.example"),
        ("search a.svc.cluster.local svc.cluster.local. cluster.local\n", "cluster.local"),
        ("# search svc.not.me\nnameserver 1.1.1.1\nsearch lan home\n", ""),
        ("", ""),
    ],
)
def test_the_domain_is_what_the_resolver_searches(resolver, domain):
    assert cluster_domain(resolver) == domain


def test_a_name_in_full_is_asked_for_nowhere_else():
    assert service_host("mcp-a", "qd-t", "corp.example") == "mcp-a.qd-t.svc.corp.example."
    assert service_host("mcp-a", "qd-t", "") == "mcp-a.qd-t.svc"
