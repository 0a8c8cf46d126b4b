"""What a sign-in left: tokens in a file that only its owner reads, made new when they run out."""

from __future__ import annotations

import base64
import json
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from quarterdeck.cli.constants import EXIT_DENIED, EXIT_INVALID
from quarterdeck.cli.contexts import configuration_path
from quarterdeck.cli.errors import CliError
from quarterdeck.cli.locks import exclusive
from quarterdeck.cli.login.device import refused
from quarterdeck.cli.login.provider import post

# Seconds before its end from which a token is made new.
SOON = 60.0


@dataclass(frozen=True, slots=True)
class SignIn:
    """Tokens of one person at one provider."""

    provider: str
    token_endpoint: str
    client_id: str
    id_token: str
    refresh_token: str = ""

    @property
    def ends_at(self) -> float:
        """When the token ends, in seconds since 1970; 0 if it does not say."""
        return float(claims_of(self.id_token).get("exp", 0))


def claims_of(token: str) -> dict[str, Any]:
    """Returns what a token says, which the gateway verifies; empty if it is none."""
    try:
        part = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (ValueError, IndexError):
        return {}
    return claims if isinstance(claims, dict) else {}


def sign_in_of(provider: str, token_endpoint: str, client_id: str, said: Mapping[str, Any]) -> SignIn:
    """Returns what a provider's answer is worth. Raises CliError if there is no ID token in it."""
    token = said.get("id_token")
    if not isinstance(token, str) or not claims_of(token):
        raise refused(said)
    return SignIn(provider, token_endpoint, client_id, token, str(said.get("refresh_token") or ""))


def path_for(context: str) -> Path:
    """Returns where the sign-in of a context is kept."""
    return configuration_path().parent / "sign-ins" / f"{quote(context, safe='')}.json"


def keep(path: Path, sign_in: SignIn) -> None:
    """Writes it; nobody else can read the file at any moment."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w") as file:
        json.dump(asdict(sign_in), file)
    temporary.replace(path)


def current_token(path: Path, context: str) -> str:
    """Returns a token that counts for a while. Raises CliError if one has to sign in again."""
    sign_in = _read(path, context)
    if _lasts(sign_in):
        return sign_in.id_token
    # A refresh token counts once: of two commands at a time one spends it, the other reads what came of it.
    with exclusive(path.with_suffix(".lock")):
        sign_in = _read(path, context)
        if not _lasts(sign_in):
            sign_in = _renewed(sign_in, context)
            keep(path, sign_in)
    return sign_in.id_token


def _lasts(sign_in: SignIn) -> bool:
    return time.time() < sign_in.ends_at - SOON


def _renewed(sign_in: SignIn, context: str) -> SignIn:
    if not sign_in.refresh_token:
        raise _ended(context)
    form = {
        "grant_type": "refresh_token",
        "refresh_token": sign_in.refresh_token,
        "client_id": sign_in.client_id,
    }
    said = post(sign_in.token_endpoint, form)
    token = said.get("id_token")
    if not isinstance(token, str):
        raise _ended(context)
    return replace(
        sign_in, id_token=token, refresh_token=str(said.get("refresh_token") or sign_in.refresh_token)
    )


def _read(path: Path, context: str) -> SignIn:
    try:
        return SignIn(**json.loads(path.read_text()))
    except FileNotFoundError:
        raise _ended(context) from None
    except (OSError, ValueError, TypeError):
        raise CliError(
            f"the sign-in of context {context!r} cannot be read: {path}",
            hint="run `qd login`",
            code=EXIT_INVALID,
        ) from None


def _ended(context: str) -> CliError:
    return CliError(
        f"the sign-in of context {context!r} has ended",
        hint=f"run `qd login --context {context}`",
        code=EXIT_DENIED,
    )
