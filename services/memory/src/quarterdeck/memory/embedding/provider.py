"""What the service needs of an embedding model."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import Protocol


class EmbeddingProvider(Protocol):
    """Turns texts into vectors of one size.

    Attributes:
        name: the provider, as in a MemoryCollection's `spec.embedding.provider`.
        model: the model; vectors of two models cannot be compared.
        dimension: numbers in each vector.
        cacheable: False if computing is cheaper than looking up.
    """

    @property
    def name(self) -> str:
        """See the class."""

    @property
    def model(self) -> str:
        """See the class."""

    @property
    def dimension(self) -> int:
        """See the class."""

    @property
    def cacheable(self) -> bool:
        """See the class."""

    def check(self) -> None:
        """Raises FailedPrecondition if a key or a package is missing; asks nobody."""

    async def embed(self, texts: Sequence[str]) -> list[array[float]]:
        """Returns a float32 vector for each text, in order.

        Raises:
            Unavailable: the model does not answer.
            FailedPrecondition: a key or a package is missing; the hint names it.
        """


def identity(provider: EmbeddingProvider) -> str:
    """Returns what tells two vector spaces apart: "lexical/v1/1536"."""
    return f"{provider.name}/{provider.model}/{provider.dimension}"
