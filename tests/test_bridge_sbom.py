"""What the list of the bridge's contents says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hack.images.bridge_sbom import components, document

ROOT = Path(__file__).parents[1]
BUILD_INFO = """build/bridge: go1.26.8
\tpath\tquarterdeck.dev/bridge
\tmod\tquarterdeck.dev/bridge\t(devel)\t
\tdep\texample.org/one\tv1.2.3\th1:abc=
\tdep\texample.org/two\tv0.1.0
\t=>\texample.org/fork\tv0.1.1\th1:def=
\tbuild\t-trimpath=true
"""


def test_the_library_and_every_module_are_listed() -> None:
    found = [part["purl"] for part in components(BUILD_INFO)]
    assert found == [
        "pkg:golang/std@1.26.8",
        "pkg:golang/example.org/one@v1.2.3",
        "pkg:golang/example.org/fork@v0.1.1",
    ]


def test_the_list_is_of_that_very_program() -> None:
    one, other = (document(BUILD_INFO, program, "v1") for program in (b"a", b"b"))
    assert one == document(BUILD_INFO, b"a", "v1")
    assert one["metadata"]["component"]["hashes"] != other["metadata"]["component"]["hashes"]
    assert one["dependencies"][0]["dependsOn"] == [part["bom-ref"] for part in one["components"]]


@pytest.mark.parametrize("said", ["", "build/bridge: could not read", "go1.26"])
def test_what_is_no_go_program_is_refused(said: str) -> None:
    with pytest.raises(ValueError, match="not a Go program"):
        components(said)


def test_the_bridge_is_made_of_the_standard_library_alone(tmp_path: Path) -> None:
    go = subprocess.run(
        ["sh", "hack/find_go.sh"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.strip()
    subprocess.run(["sh", "hack/bridge.sh", "build"], cwd=ROOT, check=True, capture_output=True)
    made_at = tmp_path / "sbom" / "b.json"
    program = [sys.executable, "hack/images/bridge_sbom.py", "build/bridge", str(made_at)]
    environment = {**os.environ, "PATH": f"{go}:{os.environ['PATH']}"}
    subprocess.run(program, cwd=ROOT, check=True, env=environment)
    made = json.loads(made_at.read_text())
    assert [part["name"] for part in made["components"]] == ["std"]
