"""Two services read which Secrets an MCPServer names, one to give and one to use them: both read the same."""

from __future__ import annotations

from typing import Any

import pytest

from quarterdeck.mcp.control import secrets
from quarterdeck.registry.kube.tenants.secrets import named_by
from quarterdeck.resources.mcpserver import MCPServer

CONTAINER = {"image": "ledger:1", "command": ["ledger"]}
BY_KEY = {"name": "KEY", "secretRef": {"secret": {"name": "keys", "key": "k"}}}
BY_VARIABLE = {"name": "TOKEN", "secretRef": {"env": "TOKEN"}}
FILES = {"secretFiles": [{"path": f"/etc/{name}", "secret": {"name": name, "key": "k"}} for name in "ab"]}


@pytest.mark.parametrize(
    ("spec", "names"),
    [
        ({"container": CONTAINER}, ()),
        ({"container": CONTAINER, "secrets": [BY_KEY, BY_VARIABLE]}, ("keys",)),
        ({"container": {**CONTAINER, **FILES}}, ("a", "b")),
        ({"container": {**CONTAINER, **FILES}, "secrets": [BY_KEY]}, ("a", "b", "keys")),
    ],
)
def test_what_is_given_is_what_is_read(spec: dict[str, Any], names: tuple[str, ...]) -> None:
    head = {"apiVersion": "quarterdeck.dev/v1alpha1", "kind": "MCPServer", "metadata": {"name": "ledger"}}
    server = MCPServer.model_validate({**head, "spec": spec})
    assert named_by([{**head, "spec": spec}]) == names
    assert tuple(sorted({key.name for _, _, key in secrets.references(server.spec)})) == names
