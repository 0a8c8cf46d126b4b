"""What a seed aims at follows from its number, and is struck whenever it is reached, at first."""

import random
from collections import Counter

from quarterdeck.runtime.simulation.adversary import HOST_FAULTS, Adversary, plan_for
from quarterdeck.runtime.simulation.aims import LATE_CALLS, NOTHING, RARE, Aim, aim_of, lean, rare_functions
from quarterdeck.runtime.simulation.await_points import Coverage
from quarterdeck.runtime.simulation.orders import orders_for


def struck(aim, point, visits=200):
    """Returns how often each fault struck when a place was come to so often."""
    found = Counter()
    adversary = Adversary(random.Random(1), plan_for(random.Random(1), aim), Coverage(), aim=aim)
    adversary.strike = lambda fault: found.update([fault])
    for _ in range(visits):
        adversary.at_point(point, fleeting=False)
    return found


def test_every_rare_function_is_aimed_at_as_often_as_any_other():
    functions = rare_functions()
    assert len(functions) > 30
    assert all(function.startswith(RARE) for function in functions)
    times = Counter(aim_of(seed).at for seed in range(20 * len(functions)))
    # Every second seed aims at one of them, but for those that aim at late calls.
    assert min(times[function] for function in functions) >= 4
    assert times[LATE_CALLS] == 2 * len(functions)
    assert times[""] == 10 * len(functions)


def test_what_is_aimed_at_is_struck_by_every_fault_and_is_got_past():
    place = "runtime/operations/forking.py:fork:"
    found = struck(Aim(place), f"{place}7")
    assert set(found) == set(HOST_FAULTS)
    assert 10 < sum(found.values()) < 100
    assert sum(struck(Aim(place), "runtime/engine.py:spec:3").values()) < 5


def test_who_aims_has_every_family_of_faults():
    plans = [plan_for(random.Random(seed), Aim(LATE_CALLS)) for seed in range(50)]
    assert all(min(plan.hosts, plan.database, plan.bus, plan.peers) > 0 for plan in plans)


def test_clients_lean_towards_what_is_aimed_at():
    aims = {"runtime/operations/forking.py:fork:": "fork_after", LATE_CALLS: "is_impatient"}
    for at, wish in aims.items():
        plain, leaning = (orders_for(random.Random("x")) for _ in range(2))
        lean(plain, NOTHING, random.Random("y"))
        lean(leaning, Aim(at), random.Random("y"))
        assert sum(bool(getattr(o, wish)) for o in leaning) > sum(bool(getattr(o, wish)) for o in plain)
