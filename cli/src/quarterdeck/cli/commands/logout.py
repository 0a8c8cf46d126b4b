"""`qd logout`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import typer

from quarterdeck.cli.constants import EXIT_NOT_FOUND
from quarterdeck.cli.contexts import find_context, save_context
from quarterdeck.cli.errors import CliError
from quarterdeck.cli.options import ContextOption
from quarterdeck.cli.output import say


def register(app: typer.Typer) -> None:
    """Adds `qd logout`."""
    app.command()(logout)


def logout(context: ContextOption = "") -> None:
    """Forget the tokens of a sign-in."""
    found = find_context(context)
    if not found.sign_in:
        raise CliError(f"nobody is signed in in context {found.name!r}", code=EXIT_NOT_FOUND)
    Path(found.sign_in).expanduser().unlink(missing_ok=True)
    save_context(replace(found, sign_in=""), current=False)
    say(f"signed out of context {found.name}")
