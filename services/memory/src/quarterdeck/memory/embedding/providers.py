"""Which provider a collection gets."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from quarterdeck.common.errors import InvalidArgument
from quarterdeck.common.outbound.policy import Outbound
from quarterdeck.memory.constants import DEFAULT_DIMENSION, OPENAI_MODEL
from quarterdeck.memory.embedding import lexical, openai, sentence_transformers
from quarterdeck.memory.embedding.provider import EmbeddingProvider

PROVIDERS = (openai.NAME, lexical.NAME, sentence_transformers.NAME)

_MODELS = {
    openai.NAME: OPENAI_MODEL,
    lexical.NAME: lexical.MODEL,
    sentence_transformers.NAME: sentence_transformers.DEFAULT_MODEL,
}
_SIZES = {
    "text-embedding-3-large": 3072,
    "sentence-transformers/all-MiniLM-L6-v2": 384,
    "sentence-transformers/all-mpnet-base-v2": 768,
}


def default_provider(environment: Mapping[str, str] = os.environ) -> str:
    """Returns the provider of a collection that names none: OpenAI if there is a key, else lexical."""
    return openai.NAME if environment.get(openai.KEY_VARIABLE) else lexical.NAME


def default_model(provider: str) -> str:
    """Returns the usual model of a provider."""
    return _MODELS[provider]


def natural_size(provider: str, model: str) -> int:
    """Returns the dimension a model gives by itself. Raises InvalidArgument if that is not known."""
    size = _SIZES.get(model, 0 if provider == sentence_transformers.NAME else DEFAULT_DIMENSION)
    if not size:
        raise InvalidArgument(
            f"the dimension of model {model!r} is not known",
            field="spec.vector.size",
            hint="write it there",
            reason="InvalidSpec",
        )
    return size


@dataclass(frozen=True, slots=True)
class ProviderChoice:
    """A provider, one of `PROVIDERS`, with all it is made from; see `EmbeddingSpec`."""

    name: str
    model: str
    size: int
    key_variable: str = ""
    base_url: str = ""


def make_provider(
    choice: ProviderChoice, environment: Mapping[str, str] = os.environ, outbound: Outbound | None = None
) -> EmbeddingProvider:
    """Returns the provider; nothing is loaded or connected yet.

    Args:
        outbound: where an address that users name may lead to; None: anywhere.
    """
    if choice.name == openai.NAME:
        key_variable = choice.key_variable or openai.KEY_VARIABLE
        access = openai.Access(key_variable, choice.base_url, environment, outbound)
        return openai.OpenAIEmbedder(choice.model, choice.size, access)
    if choice.name == sentence_transformers.NAME:
        return sentence_transformers.SentenceTransformersEmbedder(choice.model, choice.size)
    return lexical.LexicalEmbedder(choice.size)
