"""Starts runs over REST."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from quarterdeck.cli.api import Api
from quarterdeck.cli.constants import EXIT_NOT_FOUND
from quarterdeck.cli.errors import CliError
from quarterdeck.cli.follow import EventPrinter, follow_run, say_outcome
from quarterdeck.cli.output import Output, note, show_document, show_one
from quarterdeck.cli.runs_view import RUN_COLUMNS, run_name

_NO_INPUT: Mapping[str, Mapping[str, Any]] = {"Workflow": {"input": {}}}


def start_run(
    api: Api, kinds: Sequence[str], name: str, body: Mapping[str, Any], idempotency_key: str = ""
) -> dict[str, Any]:
    """Starts a run of the first of `kinds` that has the name; returns the run. Raises CliError.

    A workflow may need no input and then gets an empty object; an agent needs a message.
    A key is made when none is given, so that a repeated request cannot start two runs.
    """
    given = {key: value for key, value in body.items() if value is not None}
    key = idempotency_key or str(uuid.uuid4())
    for index, kind in enumerate(kinds):
        headers = {"Idempotency-Key": f"{key}-{kind}" if len(kinds) > 1 else key}
        try:
            run: dict[str, Any] = api.post(
                api.tenant_path("runs"),
                {"kind": kind, "name": name, **_NO_INPUT.get(kind, {}), **given},
                headers,
            )
            return run
        except CliError as error:
            if error.code != EXIT_NOT_FOUND or index + 1 < len(kinds):
                if error.code == EXIT_NOT_FOUND:
                    continue
                raise
    raise CliError(
        f"there is no {' or '.join(kinds)} {name!r} in tenant {api.connection.tenant}",
        hint="see `qd get workflows` and `qd get agents`",
        code=EXIT_NOT_FOUND,
    )


def announce_run(api: Api, run: Mapping[str, Any], follow: bool, until: str, output: Output) -> None:
    """Prints a started run; with `follow` its journal and outcome. JSON and YAML are the run at its end."""
    if not follow:
        show_one(run, RUN_COLUMNS, output, run_name)
        note(f"follow it with `qd logs {run.get('id')} --follow`")
        return
    note(f"run {run.get('id')}")
    structured = output in (Output.JSON, Output.YAML)
    # The answer is then the run alone, so that a program can read it.
    printer = EventPrinter(live=False, out=note) if structured else EventPrinter()
    ended = follow_run(api, str(run["id"]), printer.show, until=until)
    if structured:
        show_document(ended, output)
    say_outcome(ended)
