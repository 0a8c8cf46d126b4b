"""What a service imports is in its image: every import of others' code, in its pinned requirements."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SERVICES = ("gateway", "registry", "agent-runtime", "mcp-manager", "memory")
# Our libraries are in every image; what they need is there where a service uses them.
EVERYWHERE = ("proto", "resources", "common")
BESIDES = {"agent-runtime": ("llm",), "registry": ("controller",)}
# Parts of a library for those services alone that load them, each with what it takes.
FOR_SOME = {
    "libs/common/src/quarterdeck/common/secrets/vault.py": {"gateway"},
    "libs/common/src/quarterdeck/common/outbound/connector.py": {"gateway"},
    "libs/common/src/quarterdeck/common/outbound/http_transport.py": {
        "agent-runtime",
        "mcp-manager",
        "memory",
    },
}
# Parts of a distribution that serve its tests, not its service.
NOT_SERVED = ("testing", "simulation")
NAME = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==", re.MULTILINE)


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pinned(service: str) -> set[str]:
    return {normal(name) for name in NAME.findall((ROOT / "requirements" / f"{service}.txt").read_text())}


def imports(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yields the top-level modules that code below a folder imports from elsewhere."""
    for file in folder.rglob("*.py"):
        if set(file.parts) & set(NOT_SERVED):
            continue
        for node in ast.walk(ast.parse(file.read_text())):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names = [node.module]
            for name in names:
                top = name.split(".")[0]
                if top not in sys.stdlib_module_names and top != "quarterdeck":
                    yield top, file


def code_of(service: str) -> list[Path]:
    libraries = (*EVERYWHERE, *BESIDES.get(service, ()))
    return [ROOT / "services" / service / "src", *(ROOT / "libs" / name / "src" for name in libraries)]


@pytest.mark.parametrize("service", SERVICES)
def test_an_image_has_what_its_service_imports(service: str) -> None:
    distributions = packages_distributions()
    others = {ROOT / file for file, services in FOR_SOME.items() if service not in services}
    found = [pair for folder in code_of(service) for pair in imports(folder) if pair[1] not in others]
    assert len(found) > 100, "the code was found"
    have = pinned(service)
    missing = {
        (module, str(file.relative_to(ROOT)))
        for module, file in found
        if not {normal(name) for name in distributions[module]} & have
    }
    assert missing == set(), f"add them to requirements/{service}.in and make lock"


def test_no_image_carries_what_only_another_service_needs() -> None:
    assert "qdrant-client" in pinned("memory") and "qdrant-client" not in pinned("gateway")
    assert "fastapi" in pinned("gateway") and "fastapi" not in pinned("registry")


@pytest.mark.parametrize("file", FOR_SOME)
def test_what_is_for_some_is_loaded_by_them_alone(file: str) -> None:
    assert (ROOT / file).is_file()
    module = "quarterdeck." + file.partition("/quarterdeck/")[2].removesuffix(".py").replace("/", ".")
    loading = {
        service
        for service in SERVICES
        for folder in code_of(service)
        for source in folder.rglob("*.py")
        if f"from {module} import" in source.read_text()
    }
    assert loading == FOR_SOME[file]
