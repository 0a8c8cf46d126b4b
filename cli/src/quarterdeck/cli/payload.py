"""Payloads on the command line: JSON, @file (JSON or YAML), @- for stdin."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from quarterdeck.cli.constants import EXIT_INVALID
from quarterdeck.cli.errors import CliError


def read_payload(text: str, option: str) -> Any:
    """Returns the value that an option's text stands for. Raises CliError that names the option and place.

    Args:
        text: JSON, "@path" or "@-"; a file that ends in .yaml or .yml is YAML.
        option: the option's name, for the message.
    """
    if not text.startswith("@"):
        return _json(text, option)
    source = text[1:]
    content = _read(source, option)
    return _yaml(content, source) if source.endswith((".yaml", ".yml")) else _json(content, source)


def _read(source: str, option: str) -> str:
    if source == "-":
        return sys.stdin.read()
    try:
        return Path(source).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise CliError(f"{option}: cannot read {source}: {error}", code=EXIT_INVALID) from None


def _json(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise CliError(
            f"{where}: not JSON: {error}", hint="write JSON, @file or @- for stdin", code=EXIT_INVALID
        ) from None


def _yaml(text: str, where: str) -> Any:
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        first = " ".join(str(error).split())
        raise CliError(f"{where}: not YAML: {first}", code=EXIT_INVALID) from None
