"""Regular expressions with bounded time.

Backtracking can take for ever on the wrong text, so the searching is done by the `regex` package, whose
searches take a time limit. Pattern and text are bounded in length too. The syntax is that of Python's `re`.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING

from quarterdeck.llm.errors import PlaybookFailed, PlaybookInvalid
from quarterdeck.llm.playbook import limits

if TYPE_CHECKING:
    from regex import Match, Pattern


@lru_cache(maxsize=4096)
def compile_pattern(text: str, path: str = "") -> Pattern[str]:
    """Compile `text` with case ignored and `^`, `$` matching at lines.

    Raises `PlaybookInvalid` with `path` when the pattern is too long or wrong.
    """
    import regex

    if len(text) > limits.PATTERN_CHARACTERS:
        raise PlaybookInvalid(f"pattern is longer than {limits.PATTERN_CHARACTERS} characters", path=path)
    try:
        return regex.compile(text, regex.IGNORECASE | regex.MULTILINE | regex.VERSION0)
    except (regex.error, RecursionError, OverflowError) as problem:
        raise PlaybookInvalid(f"not a regular expression: {problem}", path=path) from problem


def search(pattern: Pattern[str], text: str) -> Match[str] | None:
    """The first match in the part of `text` that is searched."""
    try:
        return pattern.search(text, 0, limits.SEARCHED_CHARACTERS, timeout=limits.SEARCH_SECONDS)
    except TimeoutError as problem:
        raise _too_slow(pattern) from problem


def search_all(pattern: Pattern[str], text: str) -> Iterator[Match[str]]:
    """Every match that does not overlap an earlier one, up to `limits.MATCHES_PER_FIELD`."""
    try:
        found = pattern.finditer(text, 0, limits.SEARCHED_CHARACTERS, timeout=limits.SEARCH_SECONDS)
        for count, match in enumerate(found):
            if count == limits.MATCHES_PER_FIELD:
                return
            yield match
    except TimeoutError as problem:
        raise _too_slow(pattern) from problem


def _too_slow(pattern: Pattern[str]) -> PlaybookFailed:
    return PlaybookFailed(
        f"the pattern {pattern.pattern!r} did not finish within {limits.SEARCH_SECONDS} s",
        hint="make it more exact, for example by replacing .* with [^\\n]{0,80}",
    )
