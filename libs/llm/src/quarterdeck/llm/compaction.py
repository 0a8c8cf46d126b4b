"""Making a long transcript short: what to summarise, what to keep, and how to ask for the summary.

Pure functions. The caller asks a model for the summary and puts it in the place of what it stands for. A tool
use and its result always stay together. When what is kept is still too long, plan again with fewer turns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from quarterdeck.llm.constants import SUMMARY_MARK
from quarterdeck.llm.tokens import estimate_messages
from quarterdeck.llm.types import Message, ModelRequest

SUMMARY_TOKENS = 1024
"""How long a summary may be."""

_ASK = (
    "Summarise the conversation so far, so that the work can go on from your summary alone. Keep the task "
    "and its constraints, what was decided and why, every fact, identifier, number and date from a tool "
    "that may still matter, what was done outside and must not be done twice, and what is left to do. "
    "Leave out greetings and repetitions. Answer with the summary only; do not call a tool."
)


@dataclass(frozen=True, slots=True)
class CompactionPlan:
    """What is summarised and what stays as it is, in order; `summarise` may be empty."""

    summarise: tuple[Message, ...]
    keep: tuple[Message, ...]


def needs_compaction(messages: Sequence[Message], limit: int) -> bool:
    """Whether the transcript passes `limit` tokens by the estimate of `tokens`."""
    return estimate_messages(messages) > limit


def plan_compaction(messages: Sequence[Message], keep_turns: int) -> CompactionPlan:
    """Split the transcript so that the last `keep_turns` turns stay.

    A turn is one assistant message and the tool results that answer it; at least one is kept. The first kept
    message is the assistant's, or the user's own text directly before it. A shorter transcript leaves nothing
    to summarise.
    """
    cut = _cut(messages, max(1, keep_turns))
    return CompactionPlan(tuple(messages[:cut]), tuple(messages[cut:]))


def summary_request(request: ModelRequest, plan: CompactionPlan) -> ModelRequest:
    """The request for the summary, from the agent's own request.

    The same system text and tools are sent, so that the provider's prompt cache still serves.
    """
    return replace(
        request,
        messages=(*plan.summarise, Message.user(_ASK)),
        max_tokens=min(request.max_tokens, SUMMARY_TOKENS),
        output_schema=None,
        metadata=replace(request.metadata, purpose="summary"),
    )


def compacted(plan: CompactionPlan, summary: str) -> tuple[Message, ...]:
    """The transcript to go on with. An earlier summary is part of what was summarised and so disappears."""
    if not plan.summarise:
        return plan.keep
    return (Message.user(f"{SUMMARY_MARK}\n{summary}"), *plan.keep)


def _cut(messages: Sequence[Message], keep_turns: int) -> int:
    """The position of the first message to keep."""
    turns = [position for position, message in enumerate(messages) if message.role == "assistant"]
    if len(turns) < keep_turns:
        return 0
    cut = turns[-keep_turns]
    while cut > 0 and _is_own_text(messages[cut - 1]):
        cut -= 1
    return cut


def _is_own_text(message: Message) -> bool:
    return message.role == "user" and not message.tool_results
