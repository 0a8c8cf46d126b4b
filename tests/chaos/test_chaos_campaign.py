"""Some of everything that `make chaos` does: nothing is lost, nothing is doubled."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from chaos_kit.campaign import WARM_RUNS, campaign
from chaos_kit.judging import Death, Uncertain, judge, unmatched
from chaos_kit.load import CHILDREN
from chaos_kit.wire import SHARED_APPEND

# A whole campaign takes minutes; this one is for seconds.
FEW = ("worker killed", "reply of a shared append lost", "database connections cut", "worker killed")
WORKERS, SEED = 2, 20

RUN = {"state": "succeeded", "parent": "", "reason": ""}


def family() -> tuple[dict[str, dict[str, str]], list[str]]:
    """A run that went well, its children, and what they posted."""
    children = {f"c{number}": {**RUN, "parent": "r"} for number in range(CHILDREN)}
    return {"r": RUN, **children}, ["r/first", "r/last", *(f"{child}/item" for child in children)]


def test_the_judge_is_content_with_what_went_well() -> None:
    runs, entries = family()
    verdict = judge(["r"], runs, entries, [], [])
    assert verdict.clean
    assert verdict.succeeded == 1


def test_the_judge_sees_what_was_doubled_missing_lost_or_failed() -> None:
    runs, entries = family()
    assert judge(["r"], runs, [*entries, "r/last"], [], []).doubled == ["r/last"]
    assert judge(["r"], runs, entries[1:], [], []).missing == ["r/first"]
    assert judge(["r", "x"], runs, entries, [], []).lost == ["x"]
    failed = {**runs, "r": {**RUN, "state": "failed", "reason": "why"}}
    assert judge(["r"], failed, entries, [], []).ended_otherwise == {"r": "failed: why"}
    waiting = {**runs, "r": {**RUN, "state": "waiting"}}
    assert not judge(["r"], waiting, entries, [], []).clean


def test_the_judge_wants_a_death_of_its_own_for_each_call_that_is_uncertain() -> None:
    runs, entries = family()
    asked = {**runs, "r": {**RUN, "state": "waiting"}}
    uncertain = [Uncertain("r", "r:e-3", "r/last")]
    hit, other = (
        Death("manager", 15.0, frozenset({"r:e-3", "x:e-1"})),
        Death("tool", 5.0, frozenset({"r:e-1"})),
    )
    assert judge(["r"], asked, entries, uncertain, [other, hit]).clean
    assert judge(["r"], asked, entries, uncertain, [other]).unmatched
    assert len(unmatched([*uncertain, *uncertain], [hit, other])) == 1
    assert not unmatched([*uncertain, *uncertain], [hit, hit])


@pytest.mark.timeout(300)
def test_nothing_is_lost_and_nothing_doubled(tmp_path: Path) -> None:
    verdict, weather, _ = campaign(FEW, WORKERS, SEED, tmp_path / "screen")
    assert verdict.clean, verdict
    assert not weather.take_overs.never
    assert weather.proxy.faults.lost[SHARED_APPEND] >= 1
    assert weather.counts == Counter(FEW)
    assert verdict.succeeded >= WARM_RUNS
