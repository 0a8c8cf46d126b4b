"""Starts many runs over REST: an input a line."""

from __future__ import annotations

import json
import sys
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from quarterdeck.cli.api import Api
from quarterdeck.cli.constants import EXIT_FAILED, EXIT_INVALID
from quarterdeck.cli.errors import CliError
from quarterdeck.cli.output import DOCUMENTS, Output, note, say, show_document
from quarterdeck.cli.payload import read_json

# One request: what the gateway takes of runs, and half of what it takes of bytes.
RUNS_A_REQUEST = 1000
BYTES_A_REQUEST = 4 * 1024 * 1024
# Seconds that the platform may take for a request.
PATIENCE = 70.0
# Refusals that are printed; all of them are in the JSON.
SHOWN = 20


def read_inputs(source: str) -> list[tuple[int, Any]]:
    """Returns the inputs of a file, or of stdin for "-", each with its line; empty lines are none.

    All lines are read before any run is started. Raises CliError that names the line.
    """
    try:
        text = sys.stdin.read() if source == "-" else Path(source).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise CliError(f"--batch: cannot read {source}: {error}", code=EXIT_INVALID) from None
    lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    if not lines:
        raise CliError(
            f"--batch: {source} holds no input", hint="write one JSON value a line", code=EXIT_INVALID
        )
    return [(number, read_json(line, f"{source}, line {number}")) for number, line in lines]


def start_batch(
    api: Api,
    kinds: Sequence[str],
    name: str,
    common: Mapping[str, Any],
    inputs: Sequence[tuple[int, Any]],
    idempotency_key: str = "",
) -> list[dict[str, Any]]:
    """Starts a run for each input; returns what became of each, with its line. Raises CliError.

    Args:
        kinds: what `name` may be; the first that there is, by the answer to the first request.
        common: fields that all runs have.
    """
    given = {key: value for key, value in common.items() if value is not None}
    key = idempotency_key or str(uuid.uuid4())
    started: list[dict[str, Any]] = []
    for number, request in enumerate(requests(inputs)):
        for kind in kinds:
            runs = [{**given, "kind": kind, "name": name, "input": value} for _, value in request]
            headers = {"Idempotency-Key": f"{key}-{kind}-{number}"}
            answer = api.post(api.tenant_path("runs", "batch"), {"runs": runs}, headers, PATIENCE)
            items: list[dict[str, Any]] = answer["items"]
            if not all(_is_unknown(item) for item in items):
                kinds = (kind,)
                break
        started += [{"line": line, **item} for (line, _), item in zip(request, items, strict=True)]
    return started


def requests(inputs: Sequence[tuple[int, Any]]) -> Iterator[Sequence[tuple[int, Any]]]:
    """Yields the inputs in portions that one request may hold."""
    begin, size = 0, 0
    for place, (_, value) in enumerate(inputs):
        length = len(json.dumps(value).encode())
        if place > begin and (place - begin == RUNS_A_REQUEST or size + length > BYTES_A_REQUEST):
            yield inputs[begin:place]
            begin, size = place, 0
        size += length
    yield inputs[begin:]


def _is_unknown(item: Mapping[str, Any]) -> bool:
    error = item.get("error") or {}
    return (error.get("status"), error.get("field")) == (404, "name")


def announce_batch(started: Sequence[Mapping[str, Any]], output: Output) -> None:
    """Prints the runs, and beside them what was refused. Raises CliError if anything was."""
    refused = [item for item in started if item.get("error")]
    if output in DOCUMENTS:
        show_document({"items": list(started), "refused": len(refused)}, output)
    else:
        for item in started:
            if item["id"]:
                say(f"run/{item['id']}")
    for item in refused[:SHOWN]:
        note(f"line {item['line']}: {item['error'].get('detail', 'refused')}")
    if refused:
        more = f"; the first {SHOWN} are above" if len(refused) > SHOWN else ""
        raise CliError(
            f"{len(refused)} of {len(started)} runs were refused{more}",
            hint="-o json shows what became of each line",
            code=EXIT_FAILED,
        )
