"""The wire contracts: linted, annotated and regenerated without a difference."""

import filecmp
import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from quarterdeck.common.access import requirements
from quarterdeck.common.constants import SERVICES

ROOT = Path(__file__).parent.parent
BIN = Path(sys.executable).parent
ENV = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"}
MODULES = ("resources", "runs", "approvals", "tools", "memory", "models")


def run(*command: str | Path, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    parts = [str(part) for part in command]
    return subprocess.run(parts, cwd=cwd, env=ENV, capture_output=True, text=True, check=False)


def test_contracts_are_linted():
    checked = run("buf", "lint", cwd=ROOT / "proto")
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_regenerating_changes_nothing(tmp_path):
    made = run("sh", ROOT / "hack/generate_proto.sh", tmp_path)
    assert made.returncode == 0, made.stderr
    committed = ROOT / "libs/proto/src/quarterdeck/v1"
    generated = sorted(path.name for path in (tmp_path / "quarterdeck/v1").iterdir())
    assert len(generated) >= 4 * len(MODULES)
    _, different, missing = filecmp.cmpfiles(tmp_path / "quarterdeck/v1", committed, generated, shallow=False)
    assert not different and not missing, f"run make proto: {different + missing}"


@pytest.mark.parametrize("module", MODULES)
def test_every_rpc_declares_what_it_needs(module):
    descriptor = importlib.import_module(f"quarterdeck.v1.{module}_pb2").DESCRIPTOR
    declared = requirements(descriptor.services_by_name.values())
    assert declared
    for requirement in declared.values():
        assert requirement.verb and requirement.resource, requirement.method
        assert requirement.callers <= set(SERVICES) and requirement.callers, requirement.method
        assert not requirement.public or "gateway" in requirement.callers, requirement.method
