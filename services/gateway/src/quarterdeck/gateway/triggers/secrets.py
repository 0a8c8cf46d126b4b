"""Where a webhook's secret comes from."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from quarterdeck.common.errors import Unavailable
from quarterdeck.gateway.triggers.signature import secret_bytes

_FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


def read_secret(reference: Mapping[str, Any], tenant: str, directory: Path) -> bytes:
    """Returns a secret: `env` names a variable, `secret` a file `<directory>/<tenant>/<name>/<key>`.

    Read at each use, so that a changed file holds at once.

    Raises:
        Unavailable: it is not there, or empty. The message names the place, never the value.
    """
    variable = reference.get("env")
    if variable:
        return secret_bytes(_required(os.environ.get(str(variable)), f"the environment variable {variable}"))
    secret = reference.get("secret") or {}
    parts = (tenant, str(secret.get("name", "")), str(secret.get("key", "")))
    if not all(_FILE_NAME.fullmatch(part) for part in parts):
        raise Unavailable("the webhook names no secret that can be read", reason="SecretMissing")
    path = directory.joinpath(*parts)
    try:
        return secret_bytes(_required(path.read_text(), f"the file {path}"))
    except OSError as error:
        raise _missing(f"the file {path}") from error


def _required(value: str | None, place: str) -> str:
    if not value:
        raise _missing(place)
    return value


def _missing(place: str) -> Unavailable:
    return Unavailable(
        f"the webhook's secret is not there: {place}",
        hint="set it where the gateway runs",
        reason="SecretMissing",
    )
