"""`qd doctor`: what is wrong with this machine or the platform, and what to do."""

from __future__ import annotations

import typer

from quarterdeck.cli.constants import EXIT_FAILED
from quarterdeck.cli.errors import CliError
from quarterdeck.cli.options import ContextOption
from quarterdeck.cli.output import say


def register(app: typer.Typer) -> None:
    """Adds `qd doctor`."""
    app.command("doctor")(doctor)


def doctor(context: ContextOption = "") -> None:
    """Check Python, packages, data directory, disk, ports, services, model keys and Node."""
    from quarterdeck.cli.checks import Level, machine_checks
    from quarterdeck.cli.checks_platform import platform_checks

    failed = 0
    for check in (*machine_checks(), *platform_checks(context)):
        say(f"{check.level.value:<5} {check.name:<16} {check.text}")
        if check.hint:
            say(f"      {'':<16} -> {check.hint}")
        failed += check.level is Level.BAD
    if failed:
        raise CliError(
            f"{failed} of the checks failed",
            hint="the lines that begin with BAD say what to do",
            code=EXIT_FAILED,
        )
