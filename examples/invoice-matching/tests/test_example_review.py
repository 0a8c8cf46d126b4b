"""What a person is told who has to decide about a match."""

from pathlib import Path
from typing import Any

import yaml

from quarterdeck.resources.templates import compile_template

WORKFLOW = Path(__file__).parents[1] / "manifests" / "workflow-match-transaction.yaml"
HITS = [
    {"text": "Visserie Lormont SAS EUR 121.0 2025-01-02 77/2025", "payload": {"invoice_id": 31}},
    {"text": "Visserie Lormont SAS EUR 50.0 2025-01-03 78/2025", "payload": {"invoice_id": 32}},
]


def summary(invoices: list[int], hits: list[dict[str, Any]]) -> Any:
    nodes = yaml.safe_load(WORKFLOW.read_text())["spec"]["nodes"]
    (review,) = (node for node in nodes if node["name"] == "review")
    compare = {"output": {"reason": "paid twice?", "confidence": 0.6, "invoices": invoices}}
    values = {"nodes": {"compare": compare, "searchMemory": {"output": {"items": hits}}}}
    return compile_template(review["approval"]["summary"]).render(values)


def test_the_proposed_invoices_are_told_as_a_person_knows_them() -> None:
    told = summary([31], HITS)
    assert told == "paid twice? (confidence 0.6); proposed: Visserie Lormont SAS EUR 121.0 2025-01-02 77/2025"
    assert summary([31, 32], HITS).count("proposed:") == 2


def test_one_that_the_memory_did_not_find_is_left_to_the_data() -> None:
    assert summary([99], HITS) == summary([31], []) == "paid twice? (confidence 0.6)"
