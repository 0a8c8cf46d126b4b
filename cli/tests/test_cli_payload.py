"""Payloads of the command line: what they are read as, and what is refused before it is sent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from quarterdeck.cli.constants import EXIT_INVALID
from quarterdeck.cli.errors import CliError
from quarterdeck.cli.payload import read_payload

LAUGHS = "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n"


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("p.json", '{"a": "é"}', {"a": "é"}),
        ("p.json", "123456789012345678901234567890", 123456789012345678901234567890),
        ("p.json", '"a\\u0000b"', "a\0b"),
        ("p.yaml", "a: [1, no, 2026-01-31]", {"a": [1, "no", "2026-01-31"]}),
        ("p.yml", "5", 5),
    ],
)
def test_a_file_is_read_by_its_suffix(tmp_path: Path, name: str, text: str, value: Any) -> None:
    path = tmp_path / name
    path.write_text(text)
    assert read_payload(f"@{path}", "--input") == value


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("p.json", "[" * 100_000 + "]" * 100_000, "nested too deeply"),
        ("p.json", '{"n": 1e400}', "not JSON"),
        ("p.json", "NaN", "not JSON"),
        ("p.json", '"\\ud800"', "a character that is none"),
        ("p.json", "{bad", "line 1 column 2"),
        ("p.yaml", LAUGHS, "line 2: aliases are not allowed"),
        ("p.yaml", "[" * 5000 + "]" * 5000, "nested deeper"),
        ("p.yaml", "a: .inf", ".inf has no place in JSON"),
        ("p.yaml", "a: 1\n---\nb: 2\n", "2 documents, where one is needed"),
        ("p.yaml", "", "0 documents"),
    ],
)
def test_what_cannot_be_sent_is_refused_by_name(tmp_path: Path, name: str, text: str, words: str) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(CliError) as caught:
        read_payload(f"@{path}", "--input")
    assert caught.value.code == EXIT_INVALID
    assert name in caught.value.message
    assert words in caught.value.message


def test_a_missing_file_names_the_option() -> None:
    with pytest.raises(CliError, match="--filter: cannot read /nowhere"):
        read_payload("@/nowhere", "--filter")
