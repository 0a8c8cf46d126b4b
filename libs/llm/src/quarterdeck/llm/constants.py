"""What the outside sees of this distribution: names, limits and defaults."""

from __future__ import annotations

from typing import Final

ANTHROPIC: Final = "anthropic"
OPENAI: Final = "openai"
PLAYBOOK: Final = "playbook"

PLAYBOOK_MODEL_PREFIX: Final = "playbook/"
"""A playbook's model name starts with this, so that nobody takes it for an LLM."""

CHARACTERS_PER_TOKEN: Final = 4
TOKENS_PER_MESSAGE: Final = 4

REPAIR_MARK: Final = "[quarterdeck: repair]"
"""First words of the one message that asks a model to mend its final answer."""

SUMMARY_MARK: Final = "[quarterdeck: summary of the conversation so far]"
"""First words of the message that stands for compacted turns."""

MICRO_USD: Final = 1_000_000
"""Costs are whole micro-dollars: 1 USD is 1,000,000."""
