"""A sign-in by a code that is typed into a browser, be it on another machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from quarterdeck.cli.constants import EXIT_DENIED
from quarterdeck.cli.errors import CliError
from quarterdeck.cli.login.provider import Endpoints, post

GRANT = "urn:ietf:params:oauth:grant-type:device_code"
# Seconds between two questions where the provider names none, and that each "slow down" adds: RFC 8628.
INTERVAL = SLOWER = 5.0
# Longer than any provider lets a code stand.
LONGEST = 1800.0


def begin(endpoints: Endpoints, client_id: str, scopes: Sequence[str]) -> dict[str, Any]:
    """Asks for a code. Raises CliError."""
    said = post(endpoints.device, {"client_id": client_id, "scope": " ".join(scopes)})
    if not all(isinstance(said.get(name), str) for name in ("device_code", "user_code", "verification_uri")):
        raise refused(said)
    return said


def wait(
    endpoints: Endpoints,
    client_id: str,
    begun: Mapping[str, Any],
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> dict[str, Any]:
    """Returns the tokens as soon as somebody has typed the code. Raises CliError if nobody does."""
    form = {"grant_type": GRANT, "device_code": str(begun["device_code"]), "client_id": client_id}
    pause = _seconds(begun.get("interval"), INTERVAL)
    until = clock() + min(_seconds(begun.get("expires_in"), LONGEST), LONGEST)
    while clock() < until:
        sleep(pause)
        said = post(endpoints.token, form)
        error = said.get("error")
        if error is None:
            return said
        if error not in ("authorization_pending", "slow_down"):
            raise refused(said)
        pause += SLOWER if error == "slow_down" else 0.0
    raise CliError("nobody typed the code in time", hint="run `qd login` again", code=EXIT_DENIED)


def refused(said: Mapping[str, Any]) -> CliError:
    """Returns the error for a provider's refusal."""
    words = {"access_denied": "the sign-in was refused", "expired_token": "nobody typed the code in time"}
    error = str(said.get("error", "an answer without tokens"))[:200]
    detail = str(said.get("error_description", ""))[:500]
    return CliError(
        words.get(error, f"the identity provider answers {error}"),
        hint=detail or "run `qd login` again",
        code=EXIT_DENIED,
    )


def _seconds(value: object, otherwise: float) -> float:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else otherwise
