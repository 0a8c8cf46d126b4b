"""Standard Webhooks: is this body from the sender who shares our secret, and recent? Pure."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass

from quarterdeck.common.errors import Unauthenticated, Unavailable
from quarterdeck.gateway.constants import (
    WEBHOOK_ID,
    WEBHOOK_SECRET_PREFIX,
    WEBHOOK_SIGNATURE,
    WEBHOOK_TIMESTAMP,
)

_TIME = re.compile(r"[0-9]{1,12}")
_HINT = "sign as https://www.standardwebhooks.com describes"


@dataclass(frozen=True, slots=True)
class Signed:
    """What identifies one transmission of a webhook."""

    id: str
    timestamp: int


def secret_bytes(text: str) -> bytes:
    """Reads a secret: "whsec_" and base64, or any other text as it is. Raises Unavailable if it is empty."""
    text = text.strip()
    if not text:
        raise Unavailable("the webhook's secret is empty", reason="SecretMissing")
    if not text.startswith(WEBHOOK_SECRET_PREFIX):
        return text.encode()
    try:
        return base64.b64decode(text.removeprefix(WEBHOOK_SECRET_PREFIX), validate=True)
    except ValueError as error:  # binascii.Error is one
        raise Unavailable(
            "the webhook's secret is not base64 behind whsec_", reason="SecretMalformed"
        ) from error


def sign(secret: bytes, id: str, timestamp: int, body: bytes) -> str:
    """Returns the signature of one transmission, "v1,<base64 of HMAC-SHA256>"."""
    content = f"{id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(secret, content, hashlib.sha256).digest()).decode()


def verify(secret: bytes, headers: Mapping[str, str], body: bytes, *, now: float, tolerance: float) -> Signed:
    """Checks a webhook's signature and time.

    Raises:
        Unauthenticated: a header is missing, the time is off, or no signature is right.
    """
    id, timestamp = headers.get(WEBHOOK_ID, ""), headers.get(WEBHOOK_TIMESTAMP, "")
    signatures = headers.get(WEBHOOK_SIGNATURE, "").split()
    if not id or not timestamp or not signatures:
        raise Unauthenticated(
            f"a webhook needs the headers {WEBHOOK_ID}, {WEBHOOK_TIMESTAMP} and {WEBHOOK_SIGNATURE}",
            hint=_HINT,
            reason="SignatureMissing",
        )
    # A number of thousands of digits is no time, and no integer to Python either.
    if not _TIME.fullmatch(timestamp) or abs(now - int(timestamp)) > tolerance:
        raise Unauthenticated(
            f"{WEBHOOK_TIMESTAMP} is more than {tolerance:g} s off",
            field=WEBHOOK_TIMESTAMP,
            hint="send Unix time in seconds, and set the sender's clock",
            reason="TimestampOutOfTolerance",
        )
    expected = sign(secret, id, int(timestamp), body).encode()
    if not any(hmac.compare_digest(expected, given.encode()) for given in signatures):
        raise Unauthenticated(
            "the webhook's signature is wrong", field=WEBHOOK_SIGNATURE, hint=_HINT, reason="SignatureWrong"
        )
    return Signed(id, int(timestamp))
