"""PostgreSQL's protocol, as far as one has to read it to lose the reply of a certain statement."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

# Kinds of statements whose replies can be lost.
COMMIT = "COMMIT"
SHARED_APPEND = "commit_runs"
_CALL = b" commit_runs("
_SSL_REQUEST = (80877103).to_bytes(4, "big")
_WORD = 4

# A message: its type (empty for those at the beginning), and its content.
Message = tuple[bytes, bytes]


@dataclass(slots=True)
class Frames:
    """Cuts what one side sends into messages.

    Args:
        untyped: messages at the beginning that have no type: the client's until it has introduced itself.
    """

    untyped: bool
    _rest: bytes = b""

    def feed(self, data: bytes) -> Iterator[Message]:
        """Yields the messages that are whole by now."""
        self._rest += data
        while True:
            head = 0 if self.untyped else 1
            if len(self._rest) < head + _WORD:
                return
            end = head + int.from_bytes(self._rest[head : head + _WORD], "big")
            if len(self._rest) < end:
                return
            kind, content = self._rest[:head], self._rest[head + _WORD : end]
            self._rest = self._rest[end:]
            if self.untyped and content[:_WORD] != _SSL_REQUEST:
                self.untyped = False
            yield kind, content


@dataclass(slots=True)
class Statements:
    """Follows a client's prepared statements; says which of its messages end in a commit, and how."""

    _shared: set[bytes] = field(default_factory=set)

    def kind_of(self, message: Message) -> str:
        """Returns COMMIT, SHARED_APPEND, or nothing."""
        kind, content = message
        if kind == b"Q":
            return COMMIT if content.rstrip(b"\x00; ").upper() == b"COMMIT" else ""
        if kind == b"P":
            name, text, _ = content.split(b"\x00", 2)
            (self._shared.add if _CALL in text else self._shared.discard)(name)
        if kind == b"B":
            _portal, name, _ = content.split(b"\x00", 2)
            return SHARED_APPEND if name in self._shared else ""
        return ""


@dataclass(slots=True)
class Reply:
    """Holds back what a server answers to one statement until it is known what came of it."""

    statement: str
    frames: Frames
    held: bytes = b""
    _completed: bool = False

    def hear(self, data: bytes) -> bool | None:
        """Takes what arrived. Returns True when the statement took effect, durably; False when it did not."""
        self.held += data
        for kind, content in self.frames.feed(data):
            if kind == b"C":
                # A COMMIT of a failed transaction is answered by ROLLBACK.
                self._completed = self.statement != COMMIT or content == b"COMMIT\x00"
            if kind == b"Z":  # "I": no transaction is open, so that nothing is left to be committed
                return self._completed and content == b"I"
        return None
