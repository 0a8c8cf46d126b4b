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
        return read_json(text, option)
    source = text[1:]
    content = _read(source, option)
    return _yaml(content, source) if source.endswith((".yaml", ".yml")) else read_json(content, source)


def _read(source: str, option: str) -> str:
    if source == "-":
        return sys.stdin.read()
    try:
        return Path(source).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise CliError(f"{option}: cannot read {source}: {error}", code=EXIT_INVALID) from None


def read_json(text: str, where: str) -> Any:
    """Returns a JSON value that the platform takes. Raises CliError that says where it is wrong."""
    try:
        value = json.loads(text)
        json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    except RecursionError:
        raise _refused(where, "JSON", "it is nested too deeply") from None
    except UnicodeEncodeError:  # half of a surrogate pair
        raise _refused(where, "JSON", "it holds a character that is none") from None
    except ValueError as error:  # also numbers that are too large, and NaN
        raise _refused(where, "JSON", str(error)) from None
    return value


def _yaml(text: str, where: str) -> Any:
    from quarterdeck.resources.yaml_reader import YamlError, read_documents

    try:
        documents = read_documents(text)
    except YamlError as error:
        raise _refused(where, "YAML", str(error)) from None
    if len(documents) != 1:
        raise _refused(where, "YAML", f"{len(documents)} documents, where one is needed")
    return documents[0].value


def _refused(where: str, language: str, why: str) -> CliError:
    hint = f"write {language}, @file or @- for stdin" if language == "JSON" else ""
    return CliError(f"{where}: not {language}: {why}", hint=hint, code=EXIT_INVALID)
