"""What a cache makes of new states, and what a reflector decides."""

import pytest

from quarterdeck.controller.api.client import SILENCE
from quarterdeck.controller.api.errors import (
    ApiError,
    Forbidden,
    Gone,
    ServerTrouble,
    TooManyRequests,
    Unreachable,
)
from quarterdeck.controller.caching.cache import (
    BY_NAMESPACE,
    BY_OWNER,
    BY_UID,
    Change,
    ObjectCache,
    label_index,
)
from quarterdeck.controller.caching.following import (
    BACKOFF,
    PAGE_LEAST,
    PAGE_MOST,
    Ending,
    Step,
    next_limit,
    next_step,
)
from quarterdeck.controller.caching.trimming import trim_bookkeeping
from quarterdeck.controller.objects import ObjectKey

KEY = ObjectKey("n", "a")


def thing(version, uid="u", labels=None, owner=None):
    owners = (
        [{"apiVersion": "v1", "kind": "K", "name": "o", "uid": owner, "controller": True}] if owner else []
    )
    return {
        "metadata": {
            "namespace": "n",
            "name": "a",
            "uid": uid,
            "resourceVersion": version,
            "labels": labels or {},
            "ownerReferences": owners,
        }
    }


def test_additions_changes_and_repeats():
    cache = ObjectCache()
    first, second = thing("1"), thing("2")
    assert cache.put(first) == [Change(None, first)]
    assert cache.put(thing("1")) == []
    assert cache.put(second) == [Change(first, second)]
    assert cache.get(KEY) is second
    assert cache.drop(KEY, thing("3")) == [Change(thing("3"), None)]
    assert cache.drop(KEY) == []
    assert len(cache) == 0


def test_a_new_uid_under_an_old_name_is_a_deletion_that_was_missed_and_an_addition():
    cache = ObjectCache()
    old, new = thing("1", "u1"), thing("2", "u2")
    cache.put(old)
    assert cache.put(new) == [Change(old, None, missed=True), Change(None, new)]


def test_indexes_follow_every_change():
    cache = ObjectCache({"app": label_index("app")})
    cache.put(thing("1", "u1", {"app": "x"}, owner="o1"))
    assert [
        len(cache.find(*row)) for row in (("app", "x"), (BY_OWNER, "o1"), (BY_UID, "u1"), (BY_NAMESPACE, "n"))
    ] == [
        1,
        1,
        1,
        1,
    ]
    cache.put(thing("2", "u1", {"app": "y"}, owner="o2"))
    assert cache.find("app", "x") == cache.find(BY_OWNER, "o1") == []
    assert cache.find("app", "y") == cache.find(BY_OWNER, "o2") == [cache.get(KEY)]
    cache.drop(KEY)
    assert cache.find("app", "y") == cache.find(BY_OWNER, "o2") == cache.find(BY_NAMESPACE, "n") == []


def test_an_index_can_come_later_and_only_once():
    cache = ObjectCache()
    cache.put(thing("1", labels={"app": "x"}))
    cache.add_index("app", label_index("app"))
    assert len(cache.find("app", "x")) == 1
    with pytest.raises(ValueError, match="already"):
        cache.add_index("app", label_index("app"))
    with pytest.raises(KeyError):
        cache.find("unknown", "x")


def test_bookkeeping_is_not_kept():
    last = "kubectl.kubernetes.io/last-applied-configuration"
    trimmed = trim_bookkeeping(
        {"metadata": {"name": "a", "managedFields": [1], "annotations": {last: "x", "b": "c"}}}
    )
    assert trimmed == {"metadata": {"name": "a", "annotations": {"b": "c"}}}


@pytest.mark.parametrize(
    ("ending", "failures", "wanted"),
    [
        # A watch that ended as it should goes on at once, where it was.
        (Ending(None, 300.0, told=True), 0, Step(relist=False, wait=0, failures=0)),
        (Ending(None, 300.0, told=False), 4, Step(relist=False, wait=0, failures=0)),
        # One that ends at once and tells nothing is a failure, or it would be a storm.
        (Ending(None, 0.1, told=False), 1, Step(relist=False, wait=0.4, failures=2)),
        # A forgotten version: the first list comes at once, a row of them does not.
        (Ending(Gone("g"), 0.0, told=False), 0, Step(relist=True, wait=0, failures=1)),
        (Ending(Gone("g"), 0.0, told=False), 3, Step(relist=True, wait=0.8, failures=4)),
        # A lost connection goes on where it was.
        (Ending(Unreachable("u"), 70.0, told=False), 5, Step(relist=False, wait=0.2, failures=1)),
        (Ending(Unreachable("u"), 10.0, told=False), 2, Step(relist=False, wait=0.8, failures=3)),
        (Ending(ServerTrouble("s"), 0.0, told=True), 7, Step(relist=False, wait=0.2, failures=1)),
        # The server's wish counts if it is longer.
        (
            Ending(TooManyRequests("t", retry_after=9.0), 0.0, told=False),
            0,
            Step(relist=False, wait=9.0, failures=1),
        ),
        # Refusals are explained by the list.
        (Ending(Forbidden("f"), 0.0, told=False), 0, Step(relist=True, wait=0.2, failures=1)),
        (Ending(ApiError("bad"), 0.0, told=False), 20, Step(relist=True, wait=10.0, failures=21)),
    ],
)
def test_what_follows(ending, failures, wanted):
    assert next_step(ending, failures) == wanted


def test_a_server_that_is_back_and_has_forgotten_is_listed_at_once():
    away = next_step(Ending(Unreachable("away"), 0.0, told=False), 20)
    forgotten = Ending(Gone("too old"), 0.1, told=False)
    assert next_step(forgotten, away.failures, was_away=True) == Step(relist=True, wait=0.0, failures=1)
    assert next_step(forgotten, 20).wait == BACKOFF.most, (
        "one that forgets again and again is not asked in a storm"
    )
    assert away.wait * 1.5 <= 15


def test_a_half_open_connection_is_noticed_and_replaced_within_75_seconds():
    longest_wait = 1.5
    assert SILENCE + longest_wait * BACKOFF.delay(1) <= 75


def test_pages_of_large_objects_are_small():
    assert next_limit(500, 500 * 2_000, 500) == PAGE_MOST
    assert next_limit(500, 500 * 10_000, 500) == 100
    assert next_limit(500, 500 * 1_000_000, 500) == PAGE_LEAST
    assert next_limit(123, 80, 0) == 123
