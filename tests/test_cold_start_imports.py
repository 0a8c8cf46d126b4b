"""What a cold start imports, package by package. Whoever adds one pays for it at every start of everybody."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

COLD_START = Path(__file__).parent.parent / "bench/sides/cold_start.py"

# Heavy, and needed only by who uses them: they are imported on first use.
ON_FIRST_USE = {
    "alembic",
    "anthropic",
    "fakeredis",
    "jsonschema",
    "mcp",
    "openai",
    "qdrant_client",
    "qdrant_edge",
    "redis",
}
# Packages of others that a start needs, with what they need themselves.
ALLOWED = {
    "annotated_doc",
    "annotated_types",
    "anyio",
    "attr",
    "click",
    "cryptography",
    "dotenv",
    "fastapi",
    "google",
    "greenlet",
    "grpc",
    "grpc_health",
    "grpc_reflection",
    "httptools",
    "jwt",
    "opentelemetry",
    "prometheus_client",
    "pydantic",
    "pydantic_core",
    "pydantic_settings",
    "pygments",
    "python_multipart",
    "rich",
    "shellingham",
    "sniffio",
    "sqlalchemy",
    "starlette",
    "structlog",
    "typer",
    "typing_extensions",
    "typing_inspection",
    "uvicorn",
    "uvloop",
}
# Not bought with a start: extension modules' shadows, and what only a development environment has.
SHADOWS = {"cython_runtime", "grpc_tools", "quarterdeck"}
MOST_MODULES = 1550


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Modules of the second start on a data directory: the first one makes the databases."""
    folder = tmp_path_factory.mktemp("cold")
    found = folder / "modules.txt"
    env = {k: v for k, v in os.environ.items() if not k.startswith("QD_")}
    for _ in range(2):
        command = [sys.executable, str(COLD_START), str(folder / "data"), str(found)]
        subprocess.run(command, env=env, check=True, capture_output=True, timeout=110)
    return found.read_text().split("\n")


def packages(modules: list[str]) -> set[str]:
    tops = {name.partition(".")[0] for name in modules} - set(sys.stdlib_module_names)
    return {top for top in tops if not top.startswith("_")}


def test_the_platform_did_start(imported: list[str]) -> None:
    assert {"quarterdeck.gateway.main", "quarterdeck.runtime.main", "uvicorn", "grpc"} <= set(imported)


def test_heavy_packages_wait_for_their_first_use(imported: list[str]) -> None:
    assert packages(imported) & ON_FIRST_USE == set()


def test_no_new_package_is_imported_by_a_start(imported: list[str]) -> None:
    assert packages(imported) - ALLOWED - SHADOWS == set()


def test_number_of_modules_does_not_grow_unseen(imported: list[str]) -> None:
    assert len(imported) <= MOST_MODULES
