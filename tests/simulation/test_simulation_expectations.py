"""What a run may end with: a failure for which nobody is to blame is no defect of the engine."""

import json

import pytest

from quarterdeck.runtime.simulation.ledger import Ledger
from quarterdeck.runtime.simulation.orders import SCENES, Order
from quarterdeck.runtime.simulation.outcomes import of_orders
from quarterdeck.runtime.simulation.seen import Seen

SCENE = next(scene for scene in SCENES if scene.name == "retrying")


def problems_of(statuses, error_class):
    error = json.dumps({"class": error_class}).encode()
    run = Seen(
        "r1", "Workflow", "retrying", "failed", "", 9, 0, 0, True, "", None, None, None, "k", error, "",
        calls=[(f"e{n}", "flaky", "key", status) for n, status in enumerate(statuses)],
    )  # fmt: skip
    order = Order(0, SCENE, 0.0, {}, 1, run_id="r1")
    return list(of_orders({"r1": run}, [order], Ledger()))


def test_calls_that_nobody_knows_of_use_attempts_up():
    assert problems_of(["uncertain", "tool_error", "uncertain", "tool_error"], "tool") == []


@pytest.mark.parametrize("statuses", [["tool_error"] * 2, ["uncertain", "tool_error", "tool_error"]])
def test_who_has_attempts_left_may_not_fail(statuses):
    (problem,) = problems_of(statuses, "tool")
    assert "not one of ['succeeded']" in problem


def test_a_defect_is_a_defect_whatever_was_unknown():
    assert problems_of(["uncertain"] * 4, "internal") != []
