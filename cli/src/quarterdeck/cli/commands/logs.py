"""`qd logs [RUN]`: a run's journal as text, or the platform's own log."""

from __future__ import annotations

from typing import Annotated

import typer

from quarterdeck.cli.options import ContextOption, TenantOption, bare_id


def register(app: typer.Typer) -> None:
    """Adds `qd logs`."""
    app.command("logs")(logs)


RunArgument = Annotated[
    str, typer.Argument(metavar="RUN", help="Id of a run; none: the platform's log.", parser=bare_id)
]


def logs(
    run: RunArgument = "",
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what comes.")] = False,
    children: Annotated[bool, typer.Option("--children", help="The journals of child runs too.")] = False,
    full: Annotated[bool, typer.Option("--full", help="The whole data of each event.")] = False,
    lines: Annotated[int, typer.Option("--lines", help="Platform's log: so many from its end.")] = 100,
    tenant: TenantOption = "",
    context: ContextOption = "",
) -> None:
    """Show a run's journal as readable text, or the log of the local platform."""
    if not run:
        from quarterdeck.cli.datadir import find_data_dir
        from quarterdeck.cli.platform_log import show_log

        show_log(find_data_dir(), lines, follow)
        return
    from quarterdeck.cli.output import Output
    from quarterdeck.cli.runs_events import follow_events, show_events, show_with_children
    from quarterdeck.cli.session import connect

    with connect(context, tenant) as api:
        form = Output.WIDE if full else Output.TABLE
        if children:
            show_with_children(api, run, form)
        elif follow:
            follow_events(api, run, 0, form)
        else:
            show_events(api, run, 0, form)
