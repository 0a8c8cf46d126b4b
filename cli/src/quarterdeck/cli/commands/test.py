"""`qd test`: runs the cases of Workflows and Agents."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from quarterdeck.cli.constants import EXIT_FAILED, EXIT_STORAGE
from quarterdeck.cli.errors import CliError
from quarterdeck.cli.options import OutputOption
from quarterdeck.cli.output import Output, say, show_document

if TYPE_CHECKING:
    from quarterdeck.cli.testing.results import Result


def register(app: typer.Typer) -> None:
    """Adds `qd test`."""
    app.command("test")(test)


def test(
    paths: Annotated[
        list[str] | None,
        typer.Argument(help="Folders with `cases` and `manifests`, or case files; default: this folder."),
    ] = None,
    manifests: Annotated[
        list[str] | None,
        typer.Option(
            "--manifests", "-m", help="Manifests; default: the folder `manifests` beside the cases."
        ),
    ] = None,
    cases: Annotated[
        list[str] | None, typer.Option("--case", help="Only cases of this name; * fits any text.")
    ] = None,
    journal: Annotated[bool, typer.Option("--journal", help="Show the journal of cases that fail.")] = False,
    junit: Annotated[str, typer.Option("--junit", help="Write JUnit XML to this file.")] = "",
    output: OutputOption = Output.TABLE,
) -> None:
    """Run the cases of Workflows and Agents. Needs no platform, no key and no network.

    The engine is the real one; tools, models, memories and people answer as the case says,
    and time is skipped. Exits with 1 if a case fails.
    """
    from quarterdeck.cli.testing.reading import read_suites
    from quarterdeck.cli.testing.reporting import document, result_lines, summary
    from quarterdeck.cli.testing.results import run_suites
    from quarterdeck.runtime.testing.virtual_time import run_quietly

    suites = read_suites(paths or ["."], manifests or [], cases or [])
    width = max(len(located.case.name) for suite in suites for located in suite.cases)

    def report(result: Result) -> None:
        if output in (Output.TABLE, Output.WIDE):
            for line in result_lines(result, width, journal):
                say(line)
        elif output is Output.NAME and not result.ok:
            say(result.name)

    began = time.perf_counter()
    results = run_quietly(run_suites(suites, report))
    if output in (Output.TABLE, Output.WIDE):
        say(summary(results, time.perf_counter() - began))
    elif output is not Output.NAME:
        show_document(document(results, journal), output)
    if junit:
        _write_junit(Path(junit), results)
    if any(not result.ok for result in results):
        raise typer.Exit(EXIT_FAILED)


def _write_junit(path: Path, results: list[Result]) -> None:
    from quarterdeck.cli.testing.reporting import junit

    try:
        path.write_bytes(junit(results))
    except OSError as error:
        raise CliError(f"cannot write {path}: {error.strerror}", code=EXIT_STORAGE) from None
