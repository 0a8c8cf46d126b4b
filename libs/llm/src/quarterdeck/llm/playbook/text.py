"""Comparing texts that should be the same and are not quite."""

from __future__ import annotations

import re
from difflib import SequenceMatcher

from quarterdeck.llm.playbook.convert import fold
from quarterdeck.llm.playbook.limits import COMPARED_CHARACTERS

_NOT_WORD = re.compile(r"[\W_]+")


def normalise(text: str) -> str:
    """Lower case, no accents, every run of other characters one space: `A.B. Söhne, KG` is `a b sohne kg`."""
    return _NOT_WORD.sub(" ", fold(text)).strip()


def similarity(first: str, second: str) -> float:
    """How alike two texts are, from 0.0 to 1.0, rounded to four digits.

    Both are normalised. The greater of two ratios counts: of the texts as they are, and of their words in
    alphabetical order. An empty text is like nothing.
    """
    left, right = (normalise(text)[:COMPARED_CHARACTERS] for text in (first, second))
    if not left or not right:
        return 0.0
    if left == right:
        return 1.0
    return round(max(_ratio(left, right), _ratio(_by_word(left), _by_word(right))), 4)


def _by_word(text: str) -> str:
    return " ".join(sorted(text.split()))


def _ratio(left: str, right: str) -> float:
    # SequenceMatcher is not symmetric; a fixed order makes it so.
    first, second = sorted((left, right))
    return float(SequenceMatcher(None, first, second, autojunk=False).ratio())
