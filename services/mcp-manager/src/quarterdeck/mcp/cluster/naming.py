"""How pods are asked for: by the name of their Service in full, or by their address."""

from __future__ import annotations

from pathlib import Path

from quarterdeck.mcp.definition import Pods

RESOLVER = Path("/etc/resolv.conf")


def cluster_domain(resolver: str) -> str:
    """Returns the domain in the text of a resolv.conf, such as "cluster.local"; empty if it names none."""
    searched = (words for line in resolver.splitlines() if (words := line.split())[:1] == ["search"])
    found = (word for words in searched for word in words[1:] if word.startswith("svc."))
    return next(found, "").removeprefix("svc.").rstrip(".")


def own_domain() -> str:
    """Returns the domain of the cluster that this process runs in; empty if it is not known."""
    try:
        return cluster_domain(RESOLVER.read_text())
    except OSError:
        return ""


def service_host(name: str, namespace: str, domain: str) -> str:
    """Returns the host to ask for.

    A short name that has no address (the server sleeps) is asked for in every domain that is searched, and
    then outside of the cluster, whose answer may take seconds.
    """
    return f"{name}.{namespace}.svc" + (f".{domain}." if domain else "")


def host_port(address: str, port: int) -> str:
    """Returns an address with a port, as URLs have it."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def endpoint(address: str, pods: Pods) -> str:
    """Returns the URL of the endpoint in the pod at an address."""
    return f"http://{host_port(address, pods.port)}{pods.path}"
