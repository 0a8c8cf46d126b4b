"""What can go wrong with a call, by what it means for what the call may have done."""

from __future__ import annotations


class CallFailed(Exception):
    """Base of what can go wrong with a call; the message is for people."""


class NotSent(CallFailed):
    """The server was never asked: the call may be repeated."""


class Lost(CallFailed):
    """The server was asked and is gone; what became of the call is not known."""


class Unusable(CallFailed):
    """The server answered, but its answer cannot be taken: too large, not JSON, against the protocol."""


class TimedOut(CallFailed):
    """The server was asked and has not answered in time; it may still be at it."""


class Refused(CallFailed):
    """The server answered with a protocol error."""
