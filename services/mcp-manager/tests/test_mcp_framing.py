from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quarterdeck.mcp.framing import EDGE_BYTES, LineSplitter, Oversized, message_id


def split(chunks: list[bytes], limit: int) -> list[bytes | Oversized]:
    splitter = LineSplitter(limit)
    lines = [line for chunk in chunks for line in splitter.feed(chunk)]
    return lines + list(splitter.finish())


@given(st.binary(max_size=400), st.lists(st.integers(0, 400), max_size=8))
def test_lines_do_not_depend_on_where_chunks_end(data: bytes, cuts: list[int]) -> None:
    edges = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    chunks = [data[a:b] for a, b in itertools.pairwise([*edges, len(data)])]
    expected = data.split(b"\n")
    assert split(chunks, 1000) == (expected if expected[-1] else expected[:-1])


def test_a_line_beyond_the_limit_is_skipped_and_the_next_one_read() -> None:
    big = b'{"id":7,' + b"x" * 5000 + b"}"
    lines = split([big[:3000], big[3000:] + b"\nnext\n"], limit=2000)
    assert lines == [Oversized(len(big), big[:EDGE_BYTES], big[-EDGE_BYTES:]), b"next"]


def test_a_skipped_line_is_not_kept_in_memory() -> None:
    splitter = LineSplitter(10_000)
    for _ in range(1000):
        assert list(splitter.feed(b"y" * 10_000)) == []
    assert len(splitter._kept) <= EDGE_BYTES
    assert list(splitter.feed(b"\n")) == [Oversized(10_000_000, b"y" * EDGE_BYTES, b"y" * EDGE_BYTES)]


@pytest.mark.parametrize(
    ("head", "tail", "expected"),
    [
        (b'{"jsonrpc":"2.0","id":12,"result":{"content":[', b"]}}", 12),
        (b'{"id": "a-1", "jsonrpc": "2.0", "result": {', b"}}", "a-1"),
        (b'{"result":{"content":[{"id":9,', b'"}]},"jsonrpc":"2.0","id":31}', 31),
        (b'{"result":{', b'},"id":5,"jsonrpc":"2.0"}', 5),
        (b'{"result":{"id":9,', b'"id":10}}', None),
        (b'{"jsonrpc":"2.0","id":"12","result":', b"}", 12),
        (b"xxxx", b"yyyy", None),
    ],
)
def test_the_id_is_found_at_either_end_but_not_in_the_payload(
    head: bytes, tail: bytes, expected: int | str | None
) -> None:
    assert message_id(head, tail) == expected
