"""An embedder that needs no model, no network and no key: hashed words and parts of words.

It finds texts that share spelling, not meaning, and says so by its name. Every feature
(a word, three adjacent letters of one) is hashed to a position and a sign; the vector is the
signed sum, scaled to length one. The same text gives the same vector on every machine.
"""

from __future__ import annotations

import asyncio
import math
import re
import unicodedata
import zlib
from array import array
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache

from quarterdeck.memory.constants import DEFAULT_DIMENSION

NAME = "lexical"
# Changes with every change of the features: old vectors do not compare with new ones.
MODEL = "v1"
WORD_WEIGHT = 1.0
# A word has as many parts as letters; together they weigh about as much as the word.
PART_WEIGHT = 0.4
PART_LENGTH = 3
# Texts between two turns of the event loop.
TEXTS_A_TURN = 32

_WORD = re.compile(r"\w+|[^\w\s]")


class LexicalEmbedder:
    """See `EmbeddingProvider`."""

    name = NAME
    model = MODEL
    cacheable = False

    def __init__(self, dimension: int = DEFAULT_DIMENSION) -> None:
        self.dimension = dimension

    def check(self) -> None:
        """See `EmbeddingProvider.check`. Nothing can be missing."""

    async def embed(self, texts: Sequence[str]) -> list[array[float]]:
        """See `EmbeddingProvider.embed`. Never fails."""
        vectors: list[array[float]] = []
        for position, text in enumerate(texts):
            if position and not position % TEXTS_A_TURN:
                await asyncio.sleep(0)
            vectors.append(embed_text(text, self.dimension))
        return vectors


def embed_text(text: str, dimension: int) -> array[float]:
    """Returns the vector of one text; length one, also for an empty text."""
    sums: dict[int, float] = {}
    for word, count in Counter(_WORD.findall(_folded(text))).items():
        weight = math.sqrt(count)
        for position, value in word_features(word, dimension):
            sums[position] = sums.get(position, 0.0) + value * weight
    length = math.sqrt(sum(value * value for value in sums.values()))
    vector = array("f", bytes(4 * dimension))
    if not length:
        # A vector of zeros has no direction; nothing is similar to this one either.
        vector[0] = 1.0
    for position, value in sums.items():
        vector[position] = value / length if length else vector[position]
    return vector


@lru_cache(maxsize=50_000)
def word_features(word: str, dimension: int) -> tuple[tuple[int, float], ...]:
    """Returns the word's features as (position, signed weight)."""
    padded = f"^{word}$"
    parts = [padded[start : start + PART_LENGTH] for start in range(len(padded) - PART_LENGTH + 1)]
    features = [_feature("w:" + word, WORD_WEIGHT, dimension)]
    return (*features, *(_feature("p:" + part, PART_WEIGHT, dimension) for part in parts))


def _feature(name: str, weight: float, dimension: int) -> tuple[int, float]:
    checksum = zlib.crc32(name.encode())
    return (checksum >> 1) % dimension, weight if checksum & 1 else -weight


def _folded(text: str) -> str:
    """Returns the text without case and accents."""
    if text.isascii():
        return text.lower()
    plain = unicodedata.normalize("NFKD", text.casefold())
    return "".join(letter for letter in plain if not unicodedata.combining(letter))
