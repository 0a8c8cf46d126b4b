"""What a `WireServer` should answer, without saying in which provider's format."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

StopKind = Literal["end", "tools", "length", "refusal", "context", "unknown"]


@dataclass(frozen=True)
class Call:
    """A tool call in an answer. `raw` replaces the JSON of `arguments`, to send something broken."""

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    id: str = ""
    raw: str | None = None

    @property
    def text(self) -> str:
        """The arguments as they go over the wire."""
        return json.dumps(self.arguments) if self.raw is None else self.raw


@dataclass(frozen=True)
class Reply:
    """One successful answer, streamed in pieces.

    `stop` is worked out from `calls` when None. `input_tokens` are those that no cache served. `delay` is the
    pause before each event in seconds. After so many events, `cut_after` closes the connection,
    `silent_after` sends nothing more and keeps it open, and `error_after` sends the provider's overload
    error. `unknown_block` adds a kind of content that no client knows.
    """

    text: str = ""
    calls: tuple[Call, ...] = ()
    thinking: str = ""
    stop: StopKind | None = None
    input_tokens: int = 100
    output_tokens: int = 20
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    delay: float = 0.0
    cut_after: int | None = None
    error_after: int | None = None
    silent_after: int | None = None
    unknown_block: bool = False

    @property
    def stop_kind(self) -> StopKind:
        """Why the answer ends."""
        return self.stop or ("tools" if self.calls else "end")


@dataclass(frozen=True)
class Fault:
    """An answer with an error status. `kind` and `code` are the provider's names for it."""

    status: int
    message: str = "this is a test"
    kind: str = ""
    code: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0


PIECE = 12
"""Characters of text or arguments per event."""


def pieces(text: str) -> list[str]:
    """A text cut up as a stream carries it."""
    return [text[start : start + PIECE] for start in range(0, len(text), PIECE)]
