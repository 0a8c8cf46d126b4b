"""Kind `MemoryCollection`: texts with vectors and a payload, found by likeness and filter."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from quarterdeck.resources.metadata import Resource, Status
from quarterdeck.resources.model import Model
from quarterdeck.resources.rules import Rule
from quarterdeck.resources.scalars import WITHOUT_NULLS, Duration, NonEmpty, Text, Url
from quarterdeck.resources.secret_sources import SecretSource

PayloadType = Literal["keyword", "text", "integer", "float", "bool", "datetime", "uuid", "geo"]
PayloadKey = Annotated[
    str, StringConstraints(min_length=1, max_length=64, pattern="^[A-Za-z_][A-Za-z0-9_]*$")
]


class Vector(Model):
    """The vectors of a collection; fixed once it exists."""

    size: int = Field(ge=1, le=65_536, description="Number of dimensions.")
    distance: Literal["cosine", "dot", "euclid"] = Field("cosine", description="How likeness is measured.")


class Embedding(Model):
    """What turns text into vectors."""

    provider: Literal["openai", "lexical", "sentenceTransformers"] | None = Field(
        None,
        description=(
            "openai: by API; lexical: offline, by words; sentenceTransformers: a local model. "
            "Absent: openai where a key is set, else lexical; it stays what it was for a collection."
        ),
    )
    model: NonEmpty | None = Field(None, description="The model's name; absent: the provider's usual one.")
    credential: SecretSource | None = Field(None, description="The API key.")
    base_url: Url | None = Field(None, description="Address of a compatible server.")


class Retention(Model):
    """How long points are kept."""

    ttl: Duration = Field(description="Points older than this are deleted.")


class Hybrid(Model):
    """How the two rankings are mixed."""

    RULES = (
        Rule(
            "one of dense and sparse must be more than 0",
            "self.dense + self.sparse > 0.0",
            lambda hybrid: hybrid.dense + hybrid.sparse > 0,
        ),
    )

    dense: float = Field(0.5, ge=0, le=1, description="Weight of likeness of meaning.")
    sparse: float = Field(0.5, ge=0, le=1, description="Weight of words in common (BM25).")


class Graph(Model):
    """A knowledge graph drawn from the texts."""

    enabled: bool = Field(False, description="Whether to draw it.")


class MemoryCollectionSpec(Model):
    """A collection's shape and how it is searched."""

    description: Text = Field("", description="What is kept in it.")
    vector: Vector | None = Field(None, description="Its vectors; absent: what the embedding gives.")
    embedding: Embedding = Field(Embedding(), description="What turns text into vectors.")
    payload: Annotated[dict[PayloadKey, PayloadType], Field(max_length=64), WITHOUT_NULLS] = Field(
        default={}, description="Fields of the payload and their types; these can be filtered by."
    )
    retention: Retention | None = Field(None, description="How long points are kept; absent: for ever.")
    hybrid: Hybrid = Field(Hybrid(), description="How the two rankings are mixed.")
    graph: Graph | None = Field(None, description="A knowledge graph drawn from the texts.")


class MemoryCollectionStatus(Status):
    """What the platform found about a collection."""

    points: int | None = Field(None, description="How many points there are.")
    embedding: NonEmpty | None = Field(None, description="The embedding in use, such as lexical.")
    dimensions: int | None = Field(None, description="Number of dimensions in use.")


class MemoryCollection(Resource):
    """Vectors with a payload, searched by likeness, words and filter."""

    kind: Literal["MemoryCollection"] = Field("MemoryCollection", description="MemoryCollection.")
    spec: MemoryCollectionSpec = Field(description="What the collection is.")
    status: MemoryCollectionStatus | None = Field(None, description="What the platform found.")
