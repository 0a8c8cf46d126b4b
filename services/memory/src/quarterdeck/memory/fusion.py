"""Two rankings to one.

Scores of a vector search and of a keyword search have nothing in common, ranks do. This is
reciprocal rank fusion (Cormack, Clarke and Büttcher, SIGIR 2009) with a weight per ranking,
scaled so that the first of both rankings has the score 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from quarterdeck.memory.engine.interface import Ranked

# Damps the lead of the first few; the paper's constant.
DAMPING = 60.0


@dataclass(frozen=True, slots=True)
class Weights:
    """How much each ranking counts; not negative, not both zero."""

    dense: float = 0.5
    sparse: float = 0.5


def fuse(dense: Sequence[Ranked], sparse: Sequence[Ranked], weights: Weights) -> list[Ranked]:
    """Returns everything in either ranking, best first; equal scores are in id order.

    With a weight of zero the other ranking stands alone and keeps its own scores: cosine
    similarity (1 is the same direction) or BM25.
    """
    if not weights.sparse:
        return _ordered({entry.id: entry.score for entry in dense})
    if not weights.dense:
        return _ordered({entry.id: entry.score for entry in sparse})
    scores: dict[str, float] = {}
    for ranking, weight in ((dense, weights.dense), (sparse, weights.sparse)):
        share = weight / (weights.dense + weights.sparse)
        for entry, rank in _ranks(ranking):
            scores[entry.id] = scores.get(entry.id, 0.0) + share * (DAMPING + 1) / (DAMPING + rank)
    return _ordered(scores)


def _ranks(ranking: Sequence[Ranked]) -> list[tuple[Ranked, int]]:
    """Returns each entry with its rank from 1; equal scores share the better rank."""
    ordered = sorted(ranking, key=lambda entry: (-entry.score, entry.id))
    ranked: list[tuple[Ranked, int]] = []
    for position, entry in enumerate(ordered, start=1):
        same = bool(ranked) and ranked[-1][0].score == entry.score
        ranked.append((entry, ranked[-1][1] if same else position))
    return ranked


def _ordered(scores: dict[str, float]) -> list[Ranked]:
    found = [Ranked(point_id, score) for point_id, score in scores.items()]
    return sorted(found, key=lambda entry: (-entry.score, entry.id))
