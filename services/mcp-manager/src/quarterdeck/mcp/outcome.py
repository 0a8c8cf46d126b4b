"""What became of a call."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from quarterdeck.mcp.catalog import Effect
from quarterdeck.mcp.failures import CallFailed, Refused, TimedOut, Unusable


class Status(Enum):
    """How a call ended. The value is the name of the contract's status without its prefix."""

    OK = "OK"
    TOOL_ERROR = "TOOL_ERROR"
    DENIED = "DENIED"
    NEEDS_APPROVAL = "NEEDS_APPROVAL"
    UNCERTAIN = "UNCERTAIN"
    INVALID_ARGUMENTS = "INVALID_ARGUMENTS"
    UNAVAILABLE = "UNAVAILABLE"
    TIMEOUT = "TIMEOUT"
    CANCELLED = "CANCELLED"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of a call.

    Args:
        value_json: the result as JSON; empty when there is none or it is an artifact.
        artifact: digest of a result too large to be inline, `artifact_size` its bytes.
        message: for people: why it did not succeed.
        policy: the policy that decided, and `approval_policy` the ApprovalPolicy it asks for.
        seconds: time inside the tool server.
        answered: the server did answer: nothing of this call is under way any more.
        incarnation: the server process that was asked, "" for a remote one.
        replayed: it was recorded earlier.
        missing: what does not exist, "server" or "tool", "" when it is there.
        retry_after: seconds after which a call that was over the rate may be made.
    """

    status: Status
    value_json: bytes = b""
    artifact: str = ""
    artifact_size: int = 0
    message: str = ""
    policy: str = ""
    approval_policy: str = ""
    seconds: float = 0.0
    answered: bool = False
    incarnation: str = ""
    replayed: bool = False
    missing: str = ""
    retry_after: float = 0.0


FINAL = frozenset({Status.OK, Status.TOOL_ERROR, Status.UNCERTAIN, Status.TIMEOUT, Status.CANCELLED})
"""Of calls that were sent, or that somebody called off: they stay what they are."""

CALLED_OFF = Outcome(Status.CANCELLED, message="the run was over before this was sent", answered=True)
"""Of a call whose id was closed before anybody made it."""


def not_sent(server: str, reason: str, missing: str = "") -> Outcome:
    """Returns the outcome of a call that could not be sent."""
    return Outcome(Status.UNAVAILABLE, message=f"server {server!r}: {reason}", missing=missing)


def over_rate(server: str, tool: str, wait: float) -> Outcome:
    """Returns the outcome of a call that was over the rate."""
    message = f"{server}/{tool} was called more often than its MCPServer allows; again in {wait:.1f} s"
    return Outcome(Status.UNAVAILABLE, message=message, retry_after=wait)


def unanswerable(effect: Effect, error: CallFailed, incarnation: str) -> Outcome:
    """Returns the outcome of a call that was sent and did not end with a usable answer.

    A protocol error is the tool's own answer. For the rest it matters what the call may have done: nothing,
    if it only reads; otherwise nobody can say, and for a write not even repeating it is safe.
    """
    status, answered = _status(effect, error), isinstance(error, Refused | Unusable)
    return Outcome(status, message=str(error), answered=answered, incarnation=incarnation)


def _status(effect: Effect, error: CallFailed) -> Status:
    if isinstance(error, Refused):
        return Status.TOOL_ERROR
    if isinstance(error, TimedOut):
        return Status.UNCERTAIN if effect is Effect.WRITE else Status.TIMEOUT
    return Status.TOOL_ERROR if effect is Effect.READ_ONLY else Status.UNCERTAIN
