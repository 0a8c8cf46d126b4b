"""Who may take a lease, and what is written into it."""

import pytest

from quarterdeck.controller.leading.election import Terms, claim, may_take, observe, release

TERMS = Terms()
WALL = "2026-01-01T00:00:00.000000Z"


def lease(version, holder, seconds=15):
    return {
        "metadata": {"resourceVersion": version},
        "spec": {
            "holderIdentity": holder,
            "leaseDurationSeconds": seconds,
            "renewTime": "1990-01-01T00:00:00Z",
        },
    }


def test_a_lease_expires_once_we_saw_it_unchanged_for_as_long_as_it_lasts():
    seen = observe(lease("1", "other"), None, now=100.0)
    again = observe(lease("1", "other"), seen, now=114.0)
    assert not may_take(again, "me", now=114.9)
    assert may_take(again, "me", now=115.0)


def test_every_renewal_begins_the_time_anew():
    seen = observe(lease("1", "other"), None, now=100.0)
    renewed = observe(lease("2", "other"), seen, now=114.0)
    assert not may_take(renewed, "me", now=128.0)


def test_what_the_lease_says_of_the_time_of_day_does_not_matter():
    old = observe(lease("1", "other") | {}, None, now=0.0)
    assert not may_take(old, "me", now=1.0)


@pytest.mark.parametrize(("holder", "may"), [("", True), ("me", True), ("other", False)])
def test_a_lease_of_nobody_or_of_ours_is_free(holder, may):
    assert may_take(observe(lease("1", holder), None, now=0.0), "me", now=0.0) is may


def test_a_claim_counts_changes_of_hands_and_keeps_the_time_of_the_first():
    first = claim({}, "me", TERMS, WALL)
    assert first == {
        "holderIdentity": "me",
        "leaseDurationSeconds": 15,
        "acquireTime": WALL,
        "renewTime": WALL,
        "leaseTransitions": 0,
    }
    renewed = claim(first, "me", TERMS, "later")
    assert (renewed["acquireTime"], renewed["renewTime"], renewed["leaseTransitions"]) == (WALL, "later", 0)
    taken = claim(renewed, "you", TERMS, "later still")
    assert (taken["acquireTime"], taken["leaseTransitions"]) == ("later still", 1)
    given_back = release(taken, "end")
    assert (given_back["holderIdentity"], given_back["leaseTransitions"]) == ("", 1)


@pytest.mark.parametrize("terms", [(10, 10, 2), (15, 2, 2), (15, 10, 0)])
def test_terms_that_cannot_hold_are_refused(terms):
    with pytest.raises(ValueError, match="must last longer"):
        Terms(*terms)
