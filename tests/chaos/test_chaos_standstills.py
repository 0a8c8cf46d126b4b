"""What is said of a run that stood still: how long, for what, and what else happened meanwhile."""

from __future__ import annotations

from chaos_kit.standstills import Look, Standstill, in_the_way, in_words, slowest, waited_for

FIRST = {"epoch": 4, "status": "held", "worker": "dead", "attempts": 2}


def a_standstill() -> Standstill:
    """Held by the dead for 6 s, then ready for 5 s; the database was away for 2 s of them."""
    one = Standstill("r", epoch=4, attempts=2, died=100.0)
    for at in (0.5, 1.0, 1.5, *(2.0 + step / 2 for step in range(8))):
        one.see(Look(at, "held", "dead", 2))
    one.see(Look(6.0, "ready", "", 2, company=7))
    for at in (6.5, 8.5, 9.0, 9.5, 10.0, 10.5):
        one.see(Look(at, "ready", "", 2, company=7))
    one.see(Look(11.0, "held", "other", 3))
    one.resumed = 11.0
    return one


def test_the_wait_is_split_into_take_over_and_turn() -> None:
    assert waited_for(a_standstill()) == {"lease": 6.0, "turn": 5.0, "blind": 2.0}
    assert [look.status for look in a_standstill().looks] == ["held", "ready", "held"]


def test_other_faults_are_in_the_way_only_while_it_stands_still() -> None:
    spans = [("before", 90.0, 99.0), ("during", 99.0, 101.0), ("late", 110.5, 120.0), ("after", 112.0, 113.0)]
    assert in_the_way(a_standstill(), spans) == ["during", "late"]


def test_it_is_over_when_somebody_else_has_it_or_nobody_need_have_it() -> None:
    one = a_standstill()
    assert not one.is_over(FIRST)
    assert not one.is_over({**FIRST, "status": "ready", "worker": ""})
    assert one.is_over({**FIRST, "epoch": 5})
    assert one.is_over({**FIRST, "status": "parked"})
    assert one.is_over(None)


def test_people_read_what_it_waited_for() -> None:
    text = in_words(a_standstill(), [("PostgreSQL killed", 100.0, 101.0)])
    assert text == (
        "r after 11.0 s: 2 attempts; lease 6.0 s, turn 5.0 s, blind 2.0 s; the least busy worker held 7; "
        "PostgreSQL killed"
    )


def test_what_never_went_on_comes_first() -> None:
    never = Standstill("n", 1, 0, 0.0)
    assert slowest([a_standstill(), never], 1) == [never]
