"""Specs: what is read from them, what is refused, and what a changed one does to a collection."""

from __future__ import annotations

from typing import Any

import pytest

from quarterdeck.common.errors import FailedPrecondition, InvalidArgument
from quarterdeck.memory import status
from quarterdeck.memory.fusion import Weights
from quarterdeck.memory.reconcile import Plan, Wanted, plan
from quarterdeck.memory.specification import read_spec
from quarterdeck.memory.store import Collection


def wanted(uid: str = "u1", **spec: Any) -> Wanted:
    return Wanted("tenant", "invoices", uid, spec)


def made(**spec: Any) -> Collection:
    return plan(wanted(**spec), None, 0, {}).record


def test_an_empty_spec_is_enough() -> None:
    record = made()
    assert (record.provider, record.model, record.size) == ("lexical", "v1", 1536)
    assert (record.spec.weights, record.spec.ttl) == (Weights(0.5, 0.5), None)


def test_the_whole_spec_is_read() -> None:
    spec = read_spec(
        {
            "vector": {"size": 384, "distance": "dot"},
            "embedding": {
                "provider": "openai",
                "model": "m",
                "credential": {"env": "KEY"},
                "baseUrl": "http://x",
            },
            "payload": {"vendor_name": "keyword"},
            "retention": {"ttl": "90d12h"},
            "hybrid": {"dense": 0.7, "sparse": 0.3},
        }
    )
    assert (spec.size, spec.distance, spec.ttl) == (384, "dot", 90 * 86400 + 12 * 3600)
    assert (spec.embedding.key_variable, spec.embedding.base_url) == ("KEY", "http://x")
    assert spec.weights == Weights(0.7, 0.3)


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        ({"vector": {"size": 0}}, "spec.vector.size"),
        ({"vector": {"size": 1.5}}, "spec.vector.size"),
        ({"vector": {"distance": "hamming"}}, "spec.vector.distance"),
        ({"vector": 3}, "spec.vector"),
        ({"embedding": {"provider": "word2vec"}}, "spec.embedding.provider"),
        ({"embedding": {"credential": {"secret": {"name": "a"}}}}, "spec.embedding.credential.secret"),
        ({"payload": {"a": "blob"}}, "spec.payload.a"),
        ({"payload": {"and": "keyword"}}, "spec.payload.and"),
        ({"payload": {"where": "geo"}}, "spec.payload.where"),
        ({"payload": {f"f{n}": "keyword" for n in range(65)}}, "spec.payload"),
        ({"retention": {"ttl": "soon"}}, "spec.retention.ttl"),
        ({"retention": {"ttl": "0s"}}, "spec.retention.ttl"),
        ({"hybrid": {"dense": 0, "sparse": 0}}, "spec.hybrid"),
        ({"hybrid": {"dense": -1}}, "spec.hybrid.dense"),
        ({"graph": {"enabled": True}}, "spec.graph.enabled"),
    ],
)
def test_a_wrong_spec_is_refused_with_its_path(spec: dict[str, Any], path: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        read_spec(spec)
    assert caught.value.field == path


def test_a_key_that_comes_later_changes_nothing() -> None:
    environment = {"OPENAI_API_KEY": "k"}
    assert plan(wanted(), None, 0, environment).record.provider == "openai"
    kept = plan(wanted(description="new"), made(), 5, environment)
    assert (kept.record.provider, kept.drop_first) == ("lexical", False)


def test_the_same_spec_changes_nothing() -> None:
    assert plan(wanted(), made(), 0, {}) == Plan(made())


def test_a_new_field_or_retention_is_taken_over_and_answers_are_forgotten() -> None:
    before = made()
    after = plan(wanted(payload={"a": "keyword"}, retention={"ttl": "1d"}), before, 5, {})
    assert after.record.generation == before.generation + 1
    assert not after.drop_first
    assert after.record.spec.ttl == 86400


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ({"vector": {"size": 8}}, "DimensionMismatch"),
        ({"embedding": {"provider": "openai"}}, "EmbeddingChanged"),
        ({"vector": {"distance": "dot"}}, "EmbeddingChanged"),
    ],
)
def test_another_vector_space_is_refused_while_there_are_items(spec: dict[str, Any], reason: str) -> None:
    with pytest.raises(FailedPrecondition) as caught:
        plan(wanted(**spec), made(), 3, {})
    assert caught.value.reason == reason
    assert caught.value.hint
    empty = plan(wanted(**spec), made(), 0, {})
    assert empty.drop_first


def test_a_collection_made_again_begins_empty() -> None:
    again = plan(wanted(uid="u2"), made(), 7, {})
    assert again.drop_first
    assert again.record.uid == "u2"


def test_a_collection_that_comes_back_keeps_its_items() -> None:
    from dataclasses import replace

    back = plan(wanted(), replace(made(), deleted_at=1.0), 7, {})
    assert not back.drop_first
    assert back.record.deleted_at is None


def test_a_status_is_written_when_it_says_something_new() -> None:
    first = status.completed(status.ready(made(), 3), {}, 1, 0.0)
    assert first is not None
    condition = first["conditions"][0]
    assert (condition["type"], condition["status"], condition["observedGeneration"]) == ("Ready", "True", 1)
    assert status.completed(status.ready(made(), 9), first, 1, 60.0) is None
    newer = status.completed(status.ready(made(), 9), first, 2, 60.0)
    assert newer is not None
    assert newer["conditions"][0]["lastTransitionTime"] == condition["lastTransitionTime"]
    failing = status.completed(
        status.failing(FailedPrecondition("no", hint="do", reason="R")), first, 2, 60.0
    )
    assert failing is not None
    assert failing["conditions"][0]["message"] == "no; do"
    assert failing["conditions"][0]["lastTransitionTime"] == "1970-01-01T00:01:00.000Z"
