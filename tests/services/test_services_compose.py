"""`compose.yaml` and what its monitoring mounts: well formed, pinned, on loopback, about real metrics."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from quarterdeck.cli.constants import MANAGEMENT_PORTS
from quarterdeck.cli.platform import EmbeddedPlatform
from quarterdeck.common.management import metrics
from quarterdeck.common.settings import PlatformSettings

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
MONITORING = ROOT / "hack" / "monitoring"
DASHBOARD = json.loads((MONITORING / "grafana/dashboards/quarterdeck.json").read_text())
QUERIES = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]

# An image with a version of at least two numbers; "latest" and a bare major number move.
PINNED = re.compile(r"[a-z0-9./-]+:v?\d+\.\d+(\.\d+)?(-[a-z0-9]+)?")
LOOPBACK = "127.0.0.1:"
# The words of the query language that are followed by a list of labels.
GROUPING = re.compile(r"\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)")
ASIDE = re.compile(r"\{[^}]*\}|\[[^\]]*\]|\"[^\"]*\"")
NAME = re.compile(r"\b[a-z_][a-z0-9_]*\b(?!\s*\()")
OPERATORS = {"and", "or", "unless", "bool", "offset"}


def test_it_has_the_servers_of_make_services_and_qdrant() -> None:
    plain = {name: one["image"] for name, one in SERVICES.items() if "profiles" not in one}
    assert set(plain) == {"postgres", "redis", "rabbitmq", "qdrant"}
    for name, version in {"postgres": "15.", "redis": "7.", "rabbitmq": "3.13."}.items():
        assert plain[name].startswith(f"{name}:{version}")
    assert plain["rabbitmq"].endswith("-management")
    profiled = {name: one["profiles"] for name, one in SERVICES.items() if "profiles" in one}
    assert profiled == {"prometheus": ["monitoring"], "grafana": ["monitoring"]}


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_a_service_is_pinned_checked_and_keeps_nothing(name: str) -> None:
    service = SERVICES[name]
    assert PINNED.fullmatch(service["image"]), service["image"]
    assert service["healthcheck"]["test"][0] in {"CMD", "CMD-SHELL"}
    assert service["healthcheck"]["retries"] > 1
    assert service["tmpfs"]
    for volume in service.get("volumes", []):
        source, _, mode = volume.split(":")
        assert (ROOT / source).exists(), source
        assert mode == "ro"


@pytest.mark.parametrize("image", ["redis", "redis:7", "redis:latest", "qdrant/qdrant:v1"])
def test_what_moves_is_not_pinned(image: str) -> None:
    assert not PINNED.fullmatch(image)


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_a_service_is_reached_from_this_machine_only(name: str) -> None:
    service = SERVICES[name]
    if service.get("network_mode") != "host":
        assert service["ports"]
        assert all(port.startswith(LOOPBACK) for port in service["ports"])
        return
    assert "ports" not in service
    if name == "prometheus":
        assert any(word.startswith("--web.listen-address=127.0.0.1:") for word in service["command"])
    else:
        assert service["environment"]["GF_SERVER_HTTP_ADDR"] == "127.0.0.1"


def test_prometheus_asks_every_service_where_it_answers() -> None:
    jobs = yaml.safe_load((MONITORING / "prometheus.yml").read_text())["scrape_configs"]
    found = {entry["labels"]["service"]: entry["targets"] for job in jobs for entry in job["static_configs"]}
    expected = {name: [f"127.0.0.1:{port}"] for name, port in MANAGEMENT_PORTS.items()}
    assert found == {**expected, "gateway": ["127.0.0.1:8420"]}
    assert all(job["honor_labels"] for job in jobs)


def test_grafana_finds_its_source_and_its_dashboard() -> None:
    folder = MONITORING / "grafana/provisioning"
    source = yaml.safe_load((folder / "datasources/prometheus.yaml").read_text())["datasources"][0]
    assert source["url"].removeprefix("$") in SERVICES["grafana"]["environment"]
    used = {target["datasource"]["uid"] for panel in DASHBOARD["panels"] for target in panel["targets"]}
    assert used == {source["uid"]}
    provider = yaml.safe_load((folder / "dashboards/files.yaml").read_text())["providers"][0]
    inside = [volume.split(":")[1] for volume in SERVICES["grafana"]["volumes"]]
    assert provider["options"]["path"] in inside
    home = SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert home == f"{provider['options']['path']}/quarterdeck.json"


# --- the dashboard against the code ---------------------------------------------------------------


@pytest.fixture
async def exported() -> AsyncIterator[set[str]]:
    """Names of all samples that an embedded platform can show."""
    with tempfile.TemporaryDirectory() as directory:
        platform = EmbeddedPlatform(PlatformSettings(data_dir=Path(directory) / "d"))
        await platform.start()
        text = metrics(list(platform.platforms.values())).decode()
        await platform.stop(1)
    yield samples_of(text)


def samples_of(exposition: str) -> set[str]:
    """Returns the names that an exposition's families have or will have once something is counted."""
    names: set[str] = set()
    for name, kind in re.findall(r"^# TYPE (\S+) (\S+)$", exposition, re.MULTILINE):
        parts = ("_bucket", "_sum", "_count") if kind == "histogram" else ("",)
        names.update(name + part for part in parts)
    return names


def metrics_in(query: str) -> set[str]:
    """Returns the metrics that a PromQL query names."""
    bare = GROUPING.sub(" ", ASIDE.sub(" ", query))
    return set(NAME.findall(bare)) - OPERATORS


def test_the_metrics_of_a_query_are_found() -> None:
    query = 'histogram_quantile(0.9, sum by (le) (rate(a_bucket{x="y"}[$__rate]))) * 2 + sum(b_total) or c'
    assert metrics_in(query) == {"a_bucket", "b_total", "c"}


async def test_the_dashboard_names_only_metrics_that_are_exported(exported: set[str]) -> None:
    assert len(QUERIES) > 10
    for query in QUERIES:
        assert metrics_in(query)
        assert metrics_in(query) <= exported, query


async def test_the_dashboard_shows_the_metrics_that_the_design_fixes(exported: set[str]) -> None:
    shown = set().union(*(metrics_in(query) for query in QUERIES))
    for name in (
        "agent_execution_total",
        "agent_execution_duration_seconds",
        "agent_cost_usd_total",
        "agent_confidence_score",
        "memory_cache_hit_total",
        "memory_cache_miss_total",
        "workflow_execution_total",
    ):
        assert any(found == name or found.startswith(f"{name}_") for found in shown), name
        assert any(found == name or found.startswith(f"{name}_") for found in exported), name
