"""Bounds of a playbook, so that no document can hold up the event loop."""

from __future__ import annotations

from typing import Final

DOCUMENT_BYTES: Final = 262_144
AGENTS: Final = 50
RULES_PER_AGENT: Final = 100
CALLS_PER_TURN: Final = 64
"""Tool calls that one rule may make at once."""

PATTERN_CHARACTERS: Final = 400
PATTERNS_PER_FIELD: Final = 20
SEARCHED_CHARACTERS: Final = 16_384
"""A text is searched up to here; what follows is not seen."""

SEARCH_SECONDS: Final = 0.04
"""Processor time of one search."""

MATCHES_PER_FIELD: Final = 500
ITEMS: Final = 1_000
"""Items that `each`, `sort`, `best`, `sum` and `unique` accept."""

COMPARED_CHARACTERS: Final = 160
"""`similarity` looks at this much of each text."""

SUBSET_ITEMS: Final = 64
SUBSET_STEPS: Final = 100_000
SUBSET_RESULTS: Final = 20
DEPTH: Final = 20
"""Nesting of a value in a document."""
