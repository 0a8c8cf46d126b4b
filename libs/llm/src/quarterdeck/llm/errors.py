"""What can go wrong with a model, as data.

```
ModelError                    class       retryable
├── ModelTimeout              timeout     yes   no answer in time, or the stream went silent
├── ProviderUnavailable       model       yes   no connection, a 5xx answer
│   ├── Overloaded            model       yes   the provider says it has no capacity (503, 529)
│   └── StreamInterrupted     model       yes   the connection ended in the middle of an answer
├── RateLimited               model       yes   too many requests; may carry `retry_after`
├── MalformedOutput           model       yes   tool arguments that are no JSON object, a block nobody knows
├── Refused                   model       no    the model or its provider declined to answer
├── ContextTooLong            model       no    the request does not fit the window; compact, then ask again
├── AuthenticationFailed      model       no    key missing, wrong, or without the permission
├── InvalidRequest            validation  no    the provider rejects the request itself
├── OutputInvalid             validation  no    the answer broke the output schema, after one repair request
├── NoProvider                model       no    the route has no provider that is configured here
├── UnknownPrice              budget      no    a priced route uses a model that has no price
└── PlaybookError             model       no    a playbook document is wrong, or no rule of it applies
    ├── PlaybookInvalid       validation  no    the document does not load
    └── PlaybookFailed        model       no    a rule failed, or no rule applied in this turn
```

`retryable` means that the same request may succeed later at the same provider. The class is the one that a
node's `retry` and `catch` name.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from quarterdeck.llm.content import JsonValue
from quarterdeck.llm.types import Usage

ErrorClass = Literal["timeout", "model", "validation", "budget"]


class ModelError(Exception):
    """Base of all errors here.

    `message` says what happened and where, `hint` what to do. `provider` and `status` (HTTP) are set when a
    remote answered. `retry_after` is in seconds. `usage` counts the tokens that were consumed although the
    call failed, so that they can be paid for; the router sets `cost_micro_usd` for them.
    """

    code: ClassVar[str] = "model_error"
    error_class: ClassVar[ErrorClass] = "model"
    retryable: ClassVar[bool] = False

    def __init__(
        self,
        message: str,
        *,
        provider: str = "",
        status: int | None = None,
        retry_after: float | None = None,
        usage: Usage | None = None,
        hint: str = "",
    ) -> None:
        super().__init__(message)
        self.message = message
        self.provider = provider
        self.status = status
        self.retry_after = retry_after
        self.usage = usage or Usage()
        self.cost_micro_usd = 0
        self.hint = hint

    def redact(self, secret: str) -> None:
        """Takes a secret out of what is said."""
        self.message, self.hint = (text.replace(secret, "***") for text in (self.message, self.hint))
        self.args = (self.message,)

    def __str__(self) -> str:
        where = f"{self.provider}: " if self.provider else ""
        hint = f" ({self.hint})" if self.hint else ""
        return f"{where}{self.message}{hint}"

    def to_json(self) -> dict[str, JsonValue]:
        """`{"class", "code", "message", "retryable"}` and what else is known, as the journal keeps it."""
        known = {"provider": self.provider, "status": self.status, "hint": self.hint}
        return {
            "class": self.error_class,
            "code": self.code,
            "message": self.message,
            "retryable": self.retryable,
            **{key: value for key, value in known.items() if value},
        }


class ModelTimeout(ModelError):
    """No answer within the time allowed, or a stream that went silent."""

    code = "timeout"
    error_class = "timeout"
    retryable = True


class ProviderUnavailable(ModelError):
    """The provider cannot be reached or answers with a server error."""

    code = "unavailable"
    retryable = True


class Overloaded(ProviderUnavailable):
    """The provider has no capacity at the moment."""

    code = "overloaded"


class StreamInterrupted(ProviderUnavailable):
    """The connection ended in the middle of an answer; nothing of it is used."""

    code = "stream_interrupted"


class RateLimited(ModelError):
    """Too many requests or tokens, at the provider or by the route's own limits."""

    code = "rate_limited"
    retryable = True


class MalformedOutput(ModelError):
    """The model answered with something that is no answer: broken tool arguments, an unknown block."""

    code = "malformed_output"
    retryable = True


class Refused(ModelError):
    """The model or the provider's filter declined."""

    code = "refused"


class ContextTooLong(ModelError):
    """The request does not fit the model's window."""

    code = "context_too_long"


class AuthenticationFailed(ModelError):
    """The credential is missing, wrong, or may not use this model."""

    code = "authentication_failed"


class InvalidRequest(ModelError):
    """The provider rejects the request; asking again changes nothing."""

    code = "invalid_request"
    error_class = "validation"


class OutputInvalid(ModelError):
    """The final answer does not satisfy the agent's output schema."""

    code = "output_invalid"
    error_class = "validation"


class NoProvider(ModelError):
    """The route names no provider that is configured here."""

    code = "no_provider"


class UnknownPrice(ModelError):
    """A route with a price table has no price for the model it is about to use."""

    code = "unknown_price"
    error_class = "budget"


class PlaybookError(ModelError):
    """Something is wrong with a playbook."""

    code = "playbook_error"


class PlaybookInvalid(PlaybookError):
    """The document does not load. `path` is the place in it, such as `agents.matcher.rules[2].when`."""

    code = "playbook_invalid"
    error_class = "validation"

    def __init__(self, message: str, *, path: str = "", hint: str = "") -> None:
        super().__init__(f"{path}: {message}" if path else message, provider="playbook", hint=hint)
        self.path = path


class PlaybookFailed(PlaybookError):
    """A rule could not be evaluated in this turn, or none applies."""

    code = "playbook_failed"
