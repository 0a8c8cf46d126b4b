"""Embedding providers and their cache."""

from __future__ import annotations

import asyncio
import json
import math
import subprocess
import sys
import time
from array import array
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from quarterdeck.common.cache import open_cache
from quarterdeck.common.errors import FailedPrecondition, InvalidArgument, ResourceExhausted, Unavailable
from quarterdeck.memory.cache import FirstLevelCache
from quarterdeck.memory.embedding import openai as openai_provider
from quarterdeck.memory.embedding.cache import CachedEmbedding
from quarterdeck.memory.embedding.lexical import LexicalEmbedder, embed_text, word_features
from quarterdeck.memory.embedding.openai import Access, OpenAIEmbedder, batches
from quarterdeck.memory.embedding.provider import identity
from quarterdeck.memory.embedding.providers import (
    ProviderChoice,
    default_provider,
    make_provider,
    natural_size,
)
from quarterdeck.memory.embedding.sentence_transformers import SentenceTransformersEmbedder


def likeness(one: str, other: str) -> float:
    a, b = embed_text(one, 1536), embed_text(other, 1536)
    return sum(x * y for x, y in zip(a, b, strict=True))


def test_lexical_vectors_have_length_one_and_never_change() -> None:
    for text in ("SNCB €22.70 2025-01-03", "x", "", "!!", "Ünïcode straße"):
        vector = embed_text(text, 1536)
        assert len(vector) == 1536
        assert math.isclose(math.sqrt(sum(v * v for v in vector)), 1.0, rel_tol=1e-5)
        assert vector == embed_text(text, 1536)
    program = (
        "from quarterdeck.memory.embedding.lexical import embed_text; print(list(embed_text('SNCB 1', 16)))"
    )
    other = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert json.loads(other.stdout) == list(embed_text("SNCB 1", 16))


def test_lexical_vectors_are_near_for_texts_spelled_alike() -> None:
    assert likeness("Müller GmbH", "MULLER gmbh") == pytest.approx(1.0, abs=1e-5)
    misspelt = likeness("Nederlandse Spoorwegen", "Nederlandse Spoorwgen")
    assert misspelt > 0.6
    assert misspelt > likeness("Nederlandse Spoorwegen", "Albert Heijn") + 0.4


def test_lexical_is_quick() -> None:
    texts = [
        f"invoice {n} of vendor {n % 97} over {n * 1.17:.2f} euro, due in {n % 60} days" for n in range(300)
    ]
    word_features.cache_clear()
    began = time.process_time()
    for text in texts:
        embed_text(text, 1536)
    assert (time.process_time() - began) / len(texts) < 0.001


async def test_lexical_leaves_turns_to_others() -> None:
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    await LexicalEmbedder(64).embed(["some words"] * 500)
    counting.cancel()
    assert turns >= 10


def test_providers_by_name() -> None:
    assert default_provider({}) == "lexical"
    assert default_provider({"OPENAI_API_KEY": "k"}) == "openai"
    assert natural_size("openai", "text-embedding-3-small") == 1536
    assert natural_size("openai", "text-embedding-3-large") == 3072
    with pytest.raises(InvalidArgument, match="not known"):
        natural_size("sentenceTransformers", "somebody/model")
    names = [
        make_provider(ProviderChoice(name, "m", 8)).name
        for name in ("openai", "lexical", "sentenceTransformers")
    ]
    assert names == ["openai", "lexical", "sentenceTransformers"]
    assert identity(LexicalEmbedder(8)) == "lexical/v1/8"


async def test_sentence_transformers_without_its_package_says_what_to_install() -> None:
    provider = SentenceTransformersEmbedder()
    for attempt in (provider.check, lambda: asyncio.run(provider.embed(["x"]))):
        with pytest.raises(FailedPrecondition) as caught:
            await asyncio.to_thread(attempt)
        assert "quarterdeck-memory[sentence-transformers]" in caught.value.hint


# --- OpenAI: the real SDK against a server that speaks its wire format -------------------------------


class WireServer:
    """An HTTP server that answers embedding requests as the API does."""

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        self.keys: list[str] = []
        self.refuse: list[tuple[int, dict[str, Any]]] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := (await reader.readuntil(b"\r\n\r\n")).decode():
                fields = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
                body = json.loads(await reader.readexactly(int(fields["content-length"])))
                self.requests.append(body)
                self.keys.append(fields["authorization"])
                status, answer = self.refuse.pop(0) if self.refuse else (200, self.answer(body))
                data = json.dumps(answer).encode()
                writer.write(
                    f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\n"
                    f"content-length: {len(data)}\r\n\r\n".encode()
                    + data
                )
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def answer(self, body: dict[str, Any]) -> dict[str, Any]:
        rows = [
            {"object": "embedding", "index": i, "embedding": [float(len(text))] * body["dimensions"]}
            for i, text in enumerate(body["input"])
        ]
        usage = {"prompt_tokens": 1, "total_tokens": 1}
        return {"object": "list", "data": rows[::-1], "model": body["model"], "usage": usage}


@pytest.fixture
async def wire() -> AsyncIterator[tuple[WireServer, OpenAIEmbedder]]:
    server = WireServer()
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    access = Access(base_url=f"http://127.0.0.1:{port}/v1", environment={"OPENAI_API_KEY": "sk-test"})
    embedder = OpenAIEmbedder(dimension=4, access=access)
    yield server, embedder
    if embedder._client is not None:
        await embedder._client.close()
    listening.close()
    await listening.wait_closed()


async def test_openai_batches_and_keeps_the_order(wire: tuple[WireServer, OpenAIEmbedder]) -> None:
    server, embedder = wire
    texts = ["x" * (1 + n % 9) for n in range(300)]
    vectors = await embedder.embed(texts)
    assert [vector[0] for vector in vectors] == [float(len(text)) for text in texts]
    assert [len(request["input"]) for request in server.requests] == [128, 128, 44]
    assert server.requests[0]["model"] == "text-embedding-3-small"
    assert server.requests[0]["dimensions"] == 4
    assert set(server.keys) == {"bearer sk-test"}


@pytest.mark.parametrize(
    ("status", "expected"),
    [(429, ResourceExhausted), (401, FailedPrecondition), (400, FailedPrecondition), (500, Unavailable)],
)
async def test_openai_refusals_become_our_errors(
    wire: tuple[WireServer, OpenAIEmbedder],
    monkeypatch: pytest.MonkeyPatch,
    status: int,
    expected: type[Exception],
) -> None:
    monkeypatch.setattr(openai_provider, "RETRIES", 0)
    server, embedder = wire
    server.refuse = [(status, {"error": {"message": "no", "type": "x", "code": None}})]
    with pytest.raises(expected) as caught:
        await embedder.embed(["x"])
    assert "sk-test" not in str(caught.value)


async def test_openai_without_a_key_says_which_variable() -> None:
    embedder = OpenAIEmbedder(access=Access(key_variable="MY_KEY", environment={}))
    with pytest.raises(FailedPrecondition) as caught:
        await embedder.embed(["x"])
    assert caught.value.reason == "CredentialMissing"
    assert "MY_KEY" in caught.value.message


def test_batches_are_bounded_by_characters() -> None:
    cut = batches(["x" * 300_000, "y" * 300_000, "z"])
    assert [[len(text) for text in batch] for batch in cut] == [[300_000], [300_000, 1]]


# --- cache ----------------------------------------------------------------------------------------


class CountingProvider:
    name, model, dimension, cacheable = "counting", "m", 2, True

    def __init__(self) -> None:
        self.asked: list[str] = []

    def check(self) -> None:
        return

    async def embed(self, texts: Sequence[str]) -> list[array[float]]:
        self.asked += texts
        return [array("f", [float(len(text)), 1.0]) for text in texts]


async def test_a_text_is_embedded_once_a_tenant() -> None:
    cache = open_cache("memory://")
    embedding, provider = CachedEmbedding(FirstLevelCache(cache)), CountingProvider()
    first = await embedding.embed("tenant-a", provider, ["one", "three", "one"])
    again = await embedding.embed("tenant-a", provider, ["three", "new"])
    assert provider.asked == ["one", "three", "new"]
    assert first[1] == again[0] == array("f", [5.0, 1.0])
    await embedding.embed("tenant-b", provider, ["one"])
    assert provider.asked[-1] == "one"
    await cache.close()


class CacheAway:
    """A cache whose server is away."""

    async def get_many(self, keys: list[str]) -> list[bytes | None]:
        return [None] * len(keys)

    async def set(self, key: str, value: bytes, ttl: float) -> None:
        """Keeps nothing."""


async def test_a_cache_that_is_away_only_makes_it_slower() -> None:
    embedding, provider = CachedEmbedding(FirstLevelCache(CacheAway())), CountingProvider()  # type: ignore[arg-type]
    for _ in range(2):
        assert len(await embedding.embed("t", provider, ["one"])) == 1
    assert provider.asked == ["one", "one"]
