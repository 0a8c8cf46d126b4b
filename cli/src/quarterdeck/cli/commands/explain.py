"""`qd explain KIND[.path]`: what a kind's fields mean."""

from __future__ import annotations

from typing import Annotated

import typer

from quarterdeck.cli.kinds import find_kind
from quarterdeck.cli.output import say


def register(app: typer.Typer) -> None:
    """Adds `qd explain`."""
    app.command("explain")(explain)


def explain(
    target: Annotated[
        str, typer.Argument(metavar="KIND[.PATH]", help="Such as agent or workflow.spec.nodes.retry.")
    ],
) -> None:
    """Say what a kind, or a field of it, means. Needs no platform."""
    from quarterdeck.cli.explain import explain_lines
    from quarterdeck.resources.kinds import KINDS

    word, *path = target.split(".")
    kind = find_kind(word).name
    schema = KINDS[kind].model.model_json_schema(by_alias=True)
    say("\n".join(explain_lines(kind, schema, path)))
