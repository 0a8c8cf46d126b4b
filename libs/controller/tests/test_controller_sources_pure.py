"""Whose turn it is when something changed."""

import pytest

from quarterdeck.controller.api.resource import Resource
from quarterdeck.controller.caching.cache import Change, ObjectCache
from quarterdeck.controller.objects import ObjectKey
from quarterdeck.controller.running.predicates import (
    annotation_changed,
    any_of,
    every_change,
    generation_changed,
    labels_changed,
)
from quarterdeck.controller.running.sources import mapped_keys, own_keys, owner_keys

THINGS = Resource("x.dev", "v1", "things", "Thing")


def meta(**fields):
    return {"metadata": {"name": "a", "namespace": "n", **fields}}


def owned_by(uid, api_version="x.dev/v1", kind="Thing", controller=True):
    owner = {"apiVersion": api_version, "kind": kind, "name": "o", "uid": uid, "controller": controller}
    return meta(ownerReferences=[owner])


@pytest.mark.parametrize(
    ("change", "passes"),
    [
        (Change(None, meta(generation=1)), True),
        (Change(meta(generation=1), None), True),
        (Change(meta(generation=1), meta(generation=2)), True),
        (Change(meta(generation=1), meta(generation=1, labels={"a": "b"})), False),
        (Change(meta(generation=1), meta(generation=1, deletionTimestamp="t")), True),
        (Change(meta(), meta()), True),
    ],
)
def test_generation_changed(change, passes):
    assert generation_changed(change) is passes


def test_a_resync_passes():
    same = meta(generation=1)
    assert generation_changed(Change(same, same))


def test_labels_and_annotations():
    change = Change(
        meta(labels={"a": "1"}, annotations={"p": "x"}), meta(labels={"a": "2"}, annotations={"p": "x"})
    )
    assert labels_changed(change)
    assert not annotation_changed("p")(change)
    assert any_of(annotation_changed("p"), labels_changed)(change)
    assert not any_of(annotation_changed("p"))(change)
    assert every_change(change)


def owners(*uids):
    cache = ObjectCache()
    for uid in uids:
        cache.put(
            {"metadata": {"name": f"owner-{uid}", "namespace": "n", "uid": uid, "resourceVersion": "1"}}
        )
    return cache


def test_an_owner_is_found_by_its_uid_and_kind():
    cache = owners("u1", "u2")
    assert owner_keys(Change(None, owned_by("u1")), THINGS, cache) == {ObjectKey("n", "owner-u1")}
    assert owner_keys(Change(owned_by("u1"), owned_by("u2")), THINGS, cache) == {
        ObjectKey("n", "owner-u1"),
        ObjectKey("n", "owner-u2"),
    }
    for stranger in (
        owned_by("of-its-former-life"),
        owned_by("u1", controller=False),
        owned_by("u1", kind="Other"),
        owned_by("u1", api_version="y.dev/v1"),
        owned_by("u1", api_version="v1"),
        meta(),
    ):
        assert owner_keys(Change(None, stranger), THINGS, cache) == set()
    assert owner_keys(Change(owned_by("u1", api_version="x.dev/v2"), None), THINGS, cache)


def test_a_mapping_is_asked_of_the_old_and_the_new_state():
    change = Change(meta(labels={"for": "a"}), meta(labels={"for": "b"}))
    keys = mapped_keys(change, lambda thing: [ObjectKey("n", thing["metadata"]["labels"]["for"])])
    assert keys == {ObjectKey("n", "a"), ObjectKey("n", "b")}
    assert own_keys(change) == {ObjectKey("n", "a")}
