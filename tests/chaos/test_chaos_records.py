"""Campaigns add up, and a missed target is said to be missed."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from chaos_kit.records import Record, keep, total
from chaos_kit.tally import figures


def test_records_add_up_and_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "kept.jsonl"
    first = Record(seeds=[1], done=Counter({"worker killed": 3, "x": 1}), resumed=[1.0], lost=1)
    second = Record(seeds=[2], done=Counter({"worker killed": 4}), resumed=[9.0, 2.0], accepted=7)
    assert keep(first, path, anew=True) == [first]
    assert keep(second, path, anew=False) == [first, second]
    both = total([first, second])
    assert (both.seeds, both.done["worker killed"], both.done["x"]) == ([1, 2], 7, 1)
    assert (sorted(both.resumed), both.accepted, both.lost) == ([1.0, 2.0, 9.0], 7, 1)
    assert keep(second, path, anew=True) == [second]


def test_what_is_lost_slow_or_set_aside_is_a_missed_target() -> None:
    def missed(record: Record) -> set[str]:
        return {row["name"] for row in figures(record) if row["met"] is False}

    good = Record(accepted=9, resumed=[1.0])
    assert not missed(good)
    assert len(missed(good + Record(lost=1, quarantined=1, doubled=1, unmatched=1, never=1))) == 5
    assert missed(good + Record(resumed=[11.0])) == {"resumed after a kill, p99"}
    assert missed(Record()) == {"runs held by a worker when it was killed", "resumed after a kill, p99"}
