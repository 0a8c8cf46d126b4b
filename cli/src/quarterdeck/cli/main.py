"""The entry point of `qd`: finds the command, runs it, turns every error into a line and an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import typer

from quarterdeck.cli.commands import COMMANDS, load
from quarterdeck.cli.constants import COMPLETE_VARIABLE, EXIT_INTERNAL, EXIT_INTERRUPTED, EXIT_OK, VERSION
from quarterdeck.cli.errors import CliError

PROGRAM = "qd"
SUMMARY = "Quarterdeck: declare agents, tools and workflows; run them durably."


def main(arguments: Sequence[str] | None = None, program: str = PROGRAM) -> int:
    """Runs `qd` and returns its exit code.

    Args:
        arguments: the command line without the program's name; None: the process's own.
        program: what people typed to get here.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        application(words)(args=words, prog_name=program)
    except CliError as error:
        return _report(error.lines(), error.code, program)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else EXIT_OK
    except KeyboardInterrupt:
        return _report(["interrupted"], EXIT_INTERRUPTED)
    except BrokenPipeError:
        # Whoever read our output left; Python would complain about it once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_OK
    except Exception as error:
        if os.environ.get("QD_DEBUG"):
            raise
        hint = "hint: this is a defect of qd; QD_DEBUG=1 shows where it happened"
        return _report([f"error: {type(error).__name__}: {error}", hint], EXIT_INTERNAL)
    return EXIT_OK


def application(words: Sequence[str]) -> typer.Typer:
    """Returns the command line: all of it, or only the command that `words` begins with.

    Building one command instead of forty keeps `qd get` quick.
    """
    completing = COMPLETE_VARIABLE in os.environ
    app = typer.Typer(
        help=SUMMARY,
        no_args_is_help=True,
        add_completion=completing,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(root)
    wanted = words[0] if words and words[0] in COMMANDS and not completing else ""
    for name in [wanted] if wanted else COMMANDS:
        load(name, app)
    return app


def _version(shown: bool) -> None:
    if shown:
        print(f"qd {VERSION}")
        raise typer.Exit


def root(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Print the version."
    ),
) -> None:
    """Quarterdeck: declare agents, tools and workflows; run them durably."""


def _report(lines: Sequence[str], code: int, program: str = PROGRAM) -> int:
    for line in lines:
        # What a hint tells people to type is what they can type.
        print(line.replace(f"`{PROGRAM} ", f"`{program} "), file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
