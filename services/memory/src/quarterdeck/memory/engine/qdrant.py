"""Our records in Qdrant Edge's terms: shard configuration, conditions, points.

Imported by engine processes only: importing the engine in a service would cost it the
engine's memory.
"""

from __future__ import annotations

import os
from typing import Any

import qdrant_edge as qdrant

from quarterdeck.memory.engine.conditions import (
    All,
    Condition,
    Either,
    HasWords,
    IsAbsent,
    Matches,
    Neither,
    Within,
)

DENSE, SPARSE = "dense", "sparse"

# Memories are short: a typical one has about thirty words (BM25 normalises lengths by this).
AVERAGE_WORDS = 30.0

# Graph parameters: the usual compromise of recall and build time.
GRAPH_LINKS = 16
GRAPH_CANDIDATES = 100
# Below this many kilobytes of vectors a plain scan is quicker than the graph.
FULL_SCAN_KILOBYTES = 10_000


def shard_config(size: int, distance: str) -> qdrant.EdgeConfig:
    """Returns the configuration of a new shard with vectors of `size` numbers."""
    measure = {
        "cosine": qdrant.Distance.Cosine,
        "dot": qdrant.Distance.Dot,
        "euclid": qdrant.Distance.Euclid,
    }[distance]
    # Half of the cores at most: the platform's event loop needs the rest while a graph is built.
    threads = max(1, (os.cpu_count() or 2) // 2)
    return qdrant.EdgeConfig(
        vectors={DENSE: qdrant.EdgeVectorParams(size=size, distance=measure)},
        sparse_vectors={SPARSE: qdrant.EdgeSparseVectorParams(modifier=qdrant.Modifier.Idf)},
        hnsw_config=qdrant.HnswIndexConfig(
            m=GRAPH_LINKS,
            ef_construct=GRAPH_CANDIDATES,
            full_scan_threshold=FULL_SCAN_KILOBYTES,
            max_indexing_threads=threads,
        ),
    )


def keyword_model() -> qdrant.Bm25:
    """Returns the BM25 model: no language assumed, accents folded, nothing stemmed or dropped."""
    return qdrant.Bm25(
        qdrant.Bm25Config(
            avg_len=AVERAGE_WORDS,
            lowercase=True,
            ascii_folding=True,
            stemmer=qdrant.DisabledStemmer(),
            stopwords=qdrant.StopwordsSet(languages=set(), custom=set()),
        )
    )


def index_parameters(kind: str) -> Any:
    """Returns the engine's parameters for one of our index types."""
    if kind == "text":
        return qdrant.TextIndexParams(tokenizer=qdrant.TokenizerType.Word, lowercase=True)
    return {
        "keyword": qdrant.PayloadSchemaType.Keyword,
        "integer": qdrant.PayloadSchemaType.Integer,
        "float": qdrant.PayloadSchemaType.Float,
    }[kind]


def to_filter(condition: Condition) -> qdrant.Filter:
    """Returns the engine's filter for a condition."""
    match condition:
        case All(parts):
            return qdrant.Filter(must=[to_filter(part) for part in parts])
        case Either(parts) if not parts:
            # An empty "should" holds for everything in the engine; no alternative is no match.
            return qdrant.Filter(must_not=[qdrant.Filter()])
        case Either(parts):
            return qdrant.Filter(should=[to_filter(part) for part in parts])
        case Neither(parts):
            return qdrant.Filter(must_not=[to_filter(part) for part in parts])
    return qdrant.Filter(must=[_leaf(condition)])


def _leaf(condition: Matches | Within | HasWords | IsAbsent) -> Any:
    match condition:
        case Matches(field, values):
            return qdrant.FieldCondition(field, match=qdrant.MatchAny(list(values)))  # type: ignore[arg-type]
        case Within(field, gte, gt, lte, lt):
            return qdrant.FieldCondition(field, range=qdrant.RangeFloat(gte=gte, gt=gt, lte=lte, lt=lt))
        case HasWords(field, words):
            return qdrant.FieldCondition(field, match=qdrant.MatchText(words))
        case IsAbsent(field):
            return qdrant.IsEmptyCondition(field)
