"""The way out of tool pods: the proxy knows the pod that asks, and what its server names."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cluster_kit.kubectl import TENANT, get, kubectl, serving

MANIFEST = Path(__file__).parent / "manifests" / "reaching.yaml"
SERVER = "quarterdeck.dev/mcp-server=cluster-reaching"
# Asks the proxy for a tunnel to each (host, port), and says what it answered.
PROBE = """
import json, os, socket, sys
from urllib.parse import urlsplit
proxy = urlsplit(os.environ["HTTPS_PROXY"])
def said(host, port):
    with socket.create_connection((proxy.hostname, proxy.port), 5) as connection:
        connection.settimeout(20)
        connection.sendall(f"CONNECT {host}:{port} HTTP/1.1\\r\\nHost: {host}:{port}\\r\\n\\r\\n".encode())
        return connection.recv(64).split()[1].decode()
print(json.dumps([said(*target) for target in json.loads(sys.argv[1])]))
"""


@pytest.mark.timeout(300)
def test_the_proxy_lets_a_pod_reach_what_its_server_names_and_is_outside() -> None:
    serving("egress-proxy")
    kubectl("apply", "-f", str(MANIFEST), namespace="")
    try:
        server = "mcpservers.quarterdeck.dev/cluster-reaching"
        kubectl("wait", "--for=condition=Ready", "--timeout=90s", server, namespace=TENANT, timeout=100)
        (pod,) = get("pods", "-l", SERVER, namespace=TENANT)["items"]
        targets = [
            ("nowhere.invalid", 80),
            ("elsewhere.invalid", 443),
            ("gateway.quarterdeck.svc.cluster.local", 8420),
        ]
        words = ("exec", pod["metadata"]["name"], "--", "python", "-c", PROBE, json.dumps(targets))
        said = json.loads(kubectl(*words, namespace=TENANT, timeout=120))
        # Allowed, and found to be nowhere, said in one way or another; not named; named, and inside.
        assert said[0] in ("500", "503")
        assert said[1:] == ["403", "403"]
    finally:
        kubectl("delete", "-f", str(MANIFEST), "--ignore-not-found", namespace="", timeout=120)
