"""`kubectl quarterdeck`: the same program under kubectl's manners."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from quarterdeck.cli.constants import EXIT_NOT_FOUND, EXIT_OK
from quarterdeck.cli.kubectl import defaults, main, merged, tenant_of, translated

Capture = pytest.CaptureFixture[str]


def config(current: str, namespace: str = "") -> dict[str, Any]:
    return {"current-context": current, "contexts": [{"name": current, "context": {"namespace": namespace}}]}


def test_a_namespace_is_a_tenant() -> None:
    assert (tenant_of("qd-acme"), tenant_of("acme")) == ("acme", "acme")
    words = ["get", "agents", "-n", "qd-acme", "--kubeconfig=/x", "--", "-n", "y"]
    assert translated(words) == (["get", "agents", "--tenant", "acme", "--", "-n", "y"], "/x")
    assert translated(["get", "--namespace=qd-b"]) == (["get", "--tenant", "b"], "")


def test_the_first_file_that_says_it_counts() -> None:
    files = [{}, config("prod", "qd-acme"), config("dev", "qd-other")]
    assert merged(files) == {"context": "prod", "namespace": "qd-acme"}
    assert merged([]) == {"context": "", "namespace": ""}


def test_what_follows_from_kubectls_configuration() -> None:
    found = {"context": "prod", "namespace": "qd-acme"}
    assert defaults(found, {"prod"}, {}) == {"QD_CONTEXT": "prod", "QD_TENANT": "acme"}
    assert defaults(found, {"dev"}, {}) == {"QD_TENANT": "acme"}
    assert defaults(found, {"prod"}, {"QD_SERVER": "x", "QD_TENANT": "y"}) == {}


def test_the_plug_in_asks_about_the_tenant_of_the_namespace(
    gateway: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    file = tmp_path / "config"
    file.write_text(yaml.safe_dump(config("prod", "qd-acme")))
    monkeypatch.setenv("KUBECONFIG", str(file))
    monkeypatch.setenv("QD_TENANT", "")  # given back at the end, whatever the plug-in sets
    monkeypatch.delenv("QD_TENANT")
    gateway.on("GET /tenants/acme/agents", {"items": [], "continue": None, "resourceVersion": "1"})
    gateway.on("GET /tenants/other/agents", {"items": [], "continue": None, "resourceVersion": "1"})
    assert main(["get", "agents"]) == EXIT_OK
    assert main(["get", "agents", "--namespace", "qd-other"]) == EXIT_OK
    # Nothing of kubectl's credentials is sent: the token is qd's own.
    assert all("qd_test" in request.headers["authorization"] for request in gateway.requests)
    assert main(["get", "agents", "--context", "nowhere"]) == EXIT_NOT_FOUND
    capsys.readouterr()


def test_help_and_hints_name_what_people_type() -> None:
    command = [sys.executable, "-m", "quarterdeck.cli.kubectl", "get", "--help"]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    assert ended.stdout.lstrip().startswith("Usage: kubectl quarterdeck get ")
    alone = {"QD_DATA_DIR": "/nowhere", "PATH": "", "PYTHONPATH": ":".join(sys.path)}
    wrong = subprocess.run(
        [*command[:3], "get", "agents"], capture_output=True, text=True, check=False, env=alone
    )
    assert "`kubectl quarterdeck up`" in wrong.stderr
    assert "`qd " not in wrong.stderr
