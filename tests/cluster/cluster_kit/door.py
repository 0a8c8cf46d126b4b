"""The gateway's door as others find it: a port of the node, whichever pods are behind it."""

from __future__ import annotations

import base64
import json

from cluster_kit.kubectl import get, kubectl


def url() -> str:
    """Returns where the gateway answers REST."""
    (node, *_) = get("nodes")["items"]
    (address,) = [one["address"] for one in node["status"]["addresses"] if one["type"] == "InternalIP"]
    (port,) = [one["nodePort"] for one in get("service", "gateway")["spec"]["ports"] if one["name"] == "http"]
    return f"http://{address}:{port}"


def administrator() -> str:
    """Returns the local administrator's token."""
    secret = json.loads(kubectl("get", "secret", "administrator", "-o", "json"))
    return base64.b64decode(secret["data"]["token"]).decode().strip()
