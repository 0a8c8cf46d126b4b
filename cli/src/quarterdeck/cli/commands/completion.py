"""`qd completion SHELL`: a script that completes commands, options and kinds."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from quarterdeck.cli.constants import COMPLETE_VARIABLE, EXIT_USAGE
from quarterdeck.cli.errors import CliError

SHELLS = ("bash", "zsh", "fish")


def register(app: typer.Typer) -> None:
    """Adds `qd completion`."""
    app.command("completion")(completion)


def completion(shell: Annotated[str, typer.Argument(help="bash, zsh or fish.")]) -> None:
    """Print a completion script.

    bash: `source <(qd completion bash)`; zsh: the same; fish: `qd completion fish | source`.
    """
    if shell not in SHELLS:
        raise CliError(f"no completion for {shell!r}", hint="bash, zsh or fish", code=EXIT_USAGE)
    from quarterdeck.cli.main import application

    os.environ[COMPLETE_VARIABLE] = f"source_{shell}"
    application([])(args=[], prog_name="qd")
