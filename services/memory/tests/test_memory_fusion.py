"""Rank fusion."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from quarterdeck.memory.engine.interface import Ranked
from quarterdeck.memory.fusion import Weights, fuse

rankings = st.lists(
    st.tuples(st.sampled_from("abcdefgh"), st.sampled_from([0.1, 0.2, 0.5, 0.9])), unique_by=lambda e: e[0]
).map(lambda entries: [Ranked(name, score) for name, score in entries])


def test_first_of_both_scores_one() -> None:
    fused = fuse([Ranked("a", 0.9), Ranked("b", 0.5)], [Ranked("a", 7.0)], Weights(0.3, 0.7))
    assert [entry.id for entry in fused] == ["a", "b"]
    assert abs(fused[0].score - 1.0) < 1e-12


def test_weights_decide_between_two_firsts() -> None:
    dense, sparse = [Ranked("d", 0.9)], [Ranked("s", 3.0)]
    assert fuse(dense, sparse, Weights(0.6, 0.4))[0].id == "d"
    assert fuse(dense, sparse, Weights(0.4, 0.6))[0].id == "s"


def test_one_ranking_alone_keeps_its_scores() -> None:
    dense, sparse = [Ranked("b", 0.8), Ranked("a", 0.8)], [Ranked("s", 3.0)]
    assert fuse(dense, sparse, Weights(1, 0)) == [Ranked("a", 0.8), Ranked("b", 0.8)]
    assert fuse(dense, sparse, Weights(0, 1)) == sparse


@given(rankings, rankings)
def test_order_depends_on_nothing_but_scores_and_ids(dense: list[Ranked], sparse: list[Ranked]) -> None:
    fused = fuse(dense, sparse, Weights())
    assert fused == fuse(dense[::-1], sparse[::-1], Weights())
    assert fused == sorted(fused, key=lambda entry: (-entry.score, entry.id))
    assert {entry.id for entry in fused} == {entry.id for entry in (*dense, *sparse)}
    assert all(0 < entry.score <= 1 + 1e-12 for entry in fused)


@given(rankings, rankings)
def test_better_in_both_is_better(dense: list[Ranked], sparse: list[Ranked]) -> None:
    scores = {entry.id: entry.score for entry in fuse(dense, sparse, Weights())}
    in_dense = {entry.id: entry.score for entry in dense}
    in_sparse = {entry.id: entry.score for entry in sparse}
    both = set(in_dense) & set(in_sparse)
    for one in both:
        for other in both:
            if in_dense[one] > in_dense[other] and in_sparse[one] > in_sparse[other]:
                assert scores[one] > scores[other]
