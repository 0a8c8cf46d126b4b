"""Every service says how it is, under the names that dashboards and probes know."""

from __future__ import annotations

from collections.abc import Mapping

import httpx
import pytest
from e2e_kit.client import Client
from e2e_kit.morning import Morning
from e2e_kit.shapes import SERVICES, FiveProcesses, Shape
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

# Fixed names with their labels, and which service says them.
RUNTIME = {
    "agent_execution_total": {"agent_name", "status"},
    "agent_execution_duration_seconds_count": {"agent_name"},
    "agent_cost_usd_total": {"agent_name"},
    "agent_confidence_score_count": {"agent_name"},
    "workflow_execution_total": {"workflow_name", "status"},
}
MEMORY = {"memory_cache_hit_total": {"collection"}, "memory_cache_miss_total": {"collection"}}
NAMES = {"agent-runtime": RUNTIME, "memory": MEMORY}


@pytest.mark.parametrize("part", ["", "/db", "/redis", "/bus"])
@pytest.mark.parametrize("service", SERVICES)
def test_a_service_and_its_parts_are_well(platform: Shape, service: str, part: str) -> None:
    answer = httpx.get(f"{platform.management(service)}/health{part}", timeout=10)
    assert answer.status_code == 200
    body = answer.json()
    assert body["status"] == "ok"
    own = body if isinstance(platform, FiveProcesses) else body["services"][service]
    assert own["service"] == service
    assert own["checks"].keys() >= {part.removeprefix("/") or "db"}
    assert set(own["checks"].values()) == {"ok"}


def test_an_unknown_part_is_not_well(platform: Shape) -> None:
    assert httpx.get(f"{platform.management('registry')}/health/moon", timeout=10).status_code == 404


def families_of(platform: Shape, service: str) -> Mapping[str, Metric]:
    """What a service's /metrics says, by family; nothing may appear twice."""
    answer = httpx.get(f"{platform.management(service)}/metrics", timeout=10)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    found = list(text_string_to_metric_families(answer.text))
    assert len({family.name for family in found}) == len(found)
    return {family.name: family for family in found}


@pytest.mark.parametrize("service", NAMES)
def test_the_fixed_metrics_are_there_with_their_labels(
    client: Client, morning: Morning, service: str
) -> None:
    for _ in range(2):  # the second time it comes from the cache
        client.post("memories/invoices/search", {"query": "brake pads", "limit": 3})
    families = families_of(morning.platform, service)
    samples = [sample for family in families.values() for sample in family.samples]
    for name, labels in NAMES[service].items():
        found = [sample for sample in samples if sample.name == name]
        assert found, f"{name} is not there"
        for sample in found:
            assert sample.labels.keys() - {"service"} == labels
    if service == "agent-runtime":
        counts = {
            (sample.labels["workflow_name"], sample.labels["status"]): sample.value
            for sample in samples
            if sample.name == "workflow_execution_total"
        }
        assert counts["extract-invoice", "succeeded"] >= 20


@pytest.mark.parametrize("service", SERVICES)
def test_every_service_counts_its_work_and_its_loop_lag(morning: Morning, service: str) -> None:
    families = families_of(morning.platform, service)
    work = "http_requests" if service == "gateway" else "grpc_server_handled"
    for name in (work, "event_loop_lag_seconds", "event_loop_lag_max_seconds"):
        own = [
            sample
            for sample in families[name].samples
            if isinstance(morning.platform, FiveProcesses) or sample.labels["service"] == service
        ]
        assert own, f"{service} says nothing about {name}"
