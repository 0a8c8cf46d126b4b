"""What is worth writing."""

import pytest

from quarterdeck.controller.writing.apply import held_by, is_as_wanted, owned, refusal
from quarterdeck.controller.writing.comparing import covers, digest, without_empty
from quarterdeck.controller.writing.conditions import Condition, find, updated
from quarterdeck.controller.writing.event_book import BURST, REFILL, SAME_FOR, Deed, EventBook, Note
from quarterdeck.controller.writing.status import status_of

OWNER = {"apiVersion": "x.dev/v1", "kind": "Thing", "metadata": {"name": "o", "uid": "u1"}}


@pytest.mark.parametrize(
    ("live", "wanted", "does"),
    [
        ({"a": 1, "b": 2}, {"a": 1}, True),
        ({"a": 1}, {"a": 1, "b": 2}, False),
        ({"a": {"b": [1, {"c": 2, "default": 3}]}}, {"a": {"b": [1, {"c": 2}]}}, True),
        ({"selector": {"app": "a"}}, {"selector": {"app": "a"}}, True),
        ({"selector": {"app": "a", "slipped": "in"}}, {"selector": {"app": "a"}}, False),
        ({"podSelector": {"matchLabels": {"a": "1"}}}, {"podSelector": {}}, False),
        ({"podSelector": {}}, {"podSelector": {"matchLabels": {}}}, True),
        ([1, 2], [1], False),
        ([{"name": "slipped in"}, {"name": "a"}], [{"name": "a"}], False),
        (None, {}, True),
        (None, [], True),
        (None, {"a": 1}, False),
        ({"a": "1"}, {"a": "1000m"}, False),
        ({"limits": {"cpu": "1"}}, {"limits": {"cpu": "1000m"}}, True),
        ({"limits": {"memory": "1Gi"}}, {"limits": {"memory": "1024Mi"}}, True),
        ({"hard": {"pods": "10"}}, {"hard": {"pods": 10}}, True),
        ({"limits": {"cpu": "1"}}, {"limits": {"cpu": "1001m"}}, False),
        ({"limits": {"cpu": "words"}}, {"limits": {"cpu": "other"}}, False),
    ],
)
def test_covers(live, wanted, does):
    assert covers(live, wanted) is does


def test_what_says_nothing_is_no_difference():
    assert without_empty({"a": [], "b": {"c": None, "d": ""}, "e": 0, "f": [{"g": {}}]}) == {
        "e": 0,
        "f": [{}],
    }


def test_a_digest_depends_on_what_is_said_and_not_on_its_order():
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1}) != digest({"a": 1})


def test_what_is_owned_says_so_and_the_original_is_left_alone():
    thing = {"kind": "ConfigMap", "metadata": {"name": "c", "annotations": {"mine": "1"}}}
    made = owned(thing, OWNER, "x.dev/applied")
    assert thing == {"kind": "ConfigMap", "metadata": {"name": "c", "annotations": {"mine": "1"}}}
    (reference,) = made["metadata"]["ownerReferences"]
    assert reference["controller"] and reference["blockOwnerDeletion"]
    assert reference["uid"] == "u1"
    assert made["metadata"]["annotations"]["mine"] == "1"
    assert is_as_wanted(made, made, "x.dev/applied")
    assert not is_as_wanted(None, made, "x.dev/applied")
    assert not is_as_wanted(
        {**made, "metadata": {**made["metadata"], "deletionTimestamp": "t"}}, made, "x.dev/applied"
    )


def test_a_field_that_is_left_out_now_is_noticed():
    before = owned({"metadata": {"name": "c"}, "data": {"a": "1", "b": "2"}}, OWNER, "x.dev/applied")
    after = owned({"metadata": {"name": "c"}, "data": {"a": "1"}}, OWNER, "x.dev/applied")
    assert covers(before["data"], after["data"])
    assert not is_as_wanted(before, after, "x.dev/applied")


def test_what_somebody_else_controls_is_refused():
    other = {**OWNER, "metadata": {"name": "other", "uid": "u2"}}
    theirs = owned({"kind": "ConfigMap", "metadata": {"name": "c", "namespace": "n"}}, other, "x")
    assert refusal(theirs, OWNER, "x") == "ConfigMap n/c is controlled by Thing other"
    assert refusal(theirs, other, "x") == refusal(None, OWNER, "x") == ""


def test_what_nobody_controls_is_ours_only_if_it_says_so():
    orphan = owned({"kind": "ConfigMap", "metadata": {"name": "c", "namespace": "n"}}, None, "x/y")
    assert refusal(orphan, OWNER, "x/y") == ""
    why = refusal({"kind": "ConfigMap", "metadata": {"name": "c", "namespace": "n"}}, OWNER, "x/y")
    assert "somebody's own" in why and why.endswith("`kubectl annotate -n n configmap c x/y=given`")
    assert "-n" not in refusal({"kind": "Namespace", "metadata": {"name": "c"}}, OWNER, "x/y")


def test_who_keeps_a_deleted_object_is_named():
    meta = {"name": "c", "namespace": "n", "deletionTimestamp": "t", "finalizers": ["a/b", "c/d"]}
    said = "ConfigMap n/c is being deleted, and held by a/b, c/d"
    assert held_by({"kind": "ConfigMap", "metadata": meta}) == said
    assert held_by({"kind": "ConfigMap", "metadata": {"name": "c", "finalizers": ["a/b"]}}) == ""


def test_the_time_of_a_condition_changes_with_its_status_alone():
    first = updated([], [Condition("Ready", False, "ImageNotFound", "no x")], 1, "t1")
    second = updated(first, [Condition("Ready", False, "QuotaExceeded", "too many")], 2, "t2")
    third = updated(second, [Condition("Ready", True, "AsDeclared")], 3, "t3")
    assert [each[0]["lastTransitionTime"] for each in (first, second, third)] == ["t1", "t1", "t3"]
    assert (second[0]["reason"], second[0]["observedGeneration"]) == ("QuotaExceeded", 2)
    assert updated(third, [Condition("Ready", None, "Unheard")], 3, "t4")[0]["status"] == "Unknown"


def test_conditions_of_others_stay_where_they_are():
    theirs = {"type": "Theirs", "status": "True", "reason": "R", "lastTransitionTime": "t0"}
    conditions = updated([theirs], [Condition("Ready", True, "AsDeclared")], 1, "t1")
    assert conditions[0] == theirs
    assert find(conditions, "Ready")["status"] == "True"
    assert find(conditions, "Nope") is None


@pytest.mark.parametrize("reason", ["", "two words", "1st", "dot."])
def test_a_reason_is_one_word(reason):
    with pytest.raises(ValueError, match="one word"):
        Condition("Ready", True, reason)


def test_a_status_that_says_nothing_new_is_the_same():
    thing = {"metadata": {"generation": 4}}
    found = [Condition("Ready", True, "AsDeclared")]
    thing["status"] = status_of(thing, found, {"replicas": 1}, "t1")
    assert thing["status"]["observedGeneration"] == 4
    assert status_of(thing, found, {"replicas": 1}, "t2") == thing["status"]


def test_the_same_event_is_counted_and_a_flood_thinned_out():
    book = EventBook()
    note = Note("u", "Warning", "Failed", "why")
    deed, entry = book.note(note, 0.0)
    assert deed is Deed.CREATE
    entry.name = "written"
    assert book.note(note, 1.0) == (Deed.COUNT, entry)
    assert entry.count == 2
    deeds = [book.note(note, 2.0)[0] for _ in range(BURST)]
    assert (deeds[0], deeds[-1]) == (Deed.COUNT, Deed.DROP)
    assert book.note(Note("other", "Warning", "Failed", "why"), 2.0)[0] is Deed.CREATE
    assert book.note(note, 3.0 + REFILL)[0] is Deed.COUNT
    deed, again = book.note(note, 4.0 + REFILL + SAME_FOR)
    assert (deed, again.count) == (Deed.CREATE, 1)
