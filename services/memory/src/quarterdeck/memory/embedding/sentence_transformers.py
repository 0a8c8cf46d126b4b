"""Embeddings by a local model (the extra `quarterdeck-memory[sentence-transformers]`)."""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
from array import array
from collections.abc import Sequence
from typing import Any

from quarterdeck.common.errors import FailedPrecondition, Unavailable

NAME = "sentenceTransformers"
DEFAULT_MODEL = "sentence-transformers/all-MiniLM-L6-v2"
PACKAGE = "sentence_transformers"


class SentenceTransformersEmbedder:
    """See `EmbeddingProvider`. Package and model are loaded with the first text, in a thread."""

    name = NAME
    cacheable = True

    def __init__(self, model: str = "", dimension: int = 384) -> None:
        self.model = model or DEFAULT_MODEL
        self.dimension = dimension
        self._loaded: Any = None
        self._one_at_a_time = asyncio.Lock()

    def check(self) -> None:
        """See `EmbeddingProvider.check`."""
        if importlib.util.find_spec(PACKAGE) is None:
            raise _missing()

    async def embed(self, texts: Sequence[str]) -> list[array[float]]:
        """See `EmbeddingProvider.embed`."""
        async with self._one_at_a_time:
            return await asyncio.to_thread(self._embed, list(texts))

    def _embed(self, texts: list[str]) -> list[array[float]]:
        if self._loaded is None:
            self._loaded = self._load()
        vectors = [array("f", row) for row in self._loaded.encode(texts, normalize_embeddings=True)]
        for vector in vectors:
            if len(vector) != self.dimension:
                raise FailedPrecondition(
                    f"model {self.model} makes vectors of size {len(vector)}, not {self.dimension}",
                    field="spec.vector.size",
                    hint=f"set spec.vector.size to {len(vector)}",
                    reason="DimensionMismatch",
                )
        return vectors

    def _load(self) -> Any:
        try:
            package = importlib.import_module(PACKAGE)
        except ImportError as error:
            raise _missing() from error
        try:
            return package.SentenceTransformer(self.model)
        except (OSError, ValueError) as error:
            raise Unavailable(f"the model {self.model} cannot be loaded: {error}") from error


def _missing() -> FailedPrecondition:
    return FailedPrecondition(
        "the provider 'sentenceTransformers' needs a package that is not installed",
        field="spec.embedding.provider",
        hint="install quarterdeck-memory[sentence-transformers], or use the provider 'lexical'",
        reason="ExtraMissing",
    )
