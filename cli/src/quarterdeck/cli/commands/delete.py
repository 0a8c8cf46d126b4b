"""`qd delete`: by kind and name, or everything that manifests name."""

from __future__ import annotations

from typing import Annotated

import typer

from quarterdeck.cli.completing import complete_kind, complete_name
from quarterdeck.cli.constants import EXIT_NOT_FOUND, EXIT_USAGE
from quarterdeck.cli.errors import CliError
from quarterdeck.cli.kinds import find_kind, split_target
from quarterdeck.cli.options import ContextOption, TenantOption
from quarterdeck.cli.output import say


def register(app: typer.Typer) -> None:
    """Adds `qd delete`."""
    app.command("delete")(delete)


def delete(
    kind: Annotated[str, typer.Argument(help="Kind, or KIND/NAME.", autocompletion=complete_kind)] = "",
    names: Annotated[list[str] | None, typer.Argument(help="Names.", autocompletion=complete_name)] = None,
    files: Annotated[
        list[str] | None, typer.Option("--filename", "-f", help="Manifests: files, folders, - for stdin.")
    ] = None,
    ignore_missing: Annotated[
        bool, typer.Option("--ignore-not-found", help="Do not mind what is gone already.")
    ] = False,
    tenant: TenantOption = "",
    context: ContextOption = "",
) -> None:
    """Delete resources. Open runs keep the revisions that they pin."""
    from quarterdeck.cli.resources_show import kind_path
    from quarterdeck.cli.session import connect

    targets = _targets(kind, names or [], files or [])
    with connect(context, tenant) as api:
        for word, name in targets:
            found = find_kind(word)
            try:
                api.delete(kind_path(api, found, name))
            except CliError as error:
                if not (ignore_missing and error.code == EXIT_NOT_FOUND):
                    raise
                continue
            say(f"{found.name.lower()}/{name} deleted")


def _targets(kind: str, names: list[str], files: list[str]) -> list[tuple[str, str]]:
    """Returns (kind, name) pairs; of manifests in reverse order, so that users go before what they use."""
    if files and not kind:
        from quarterdeck.cli.manifests import read_manifests

        loaded = read_manifests(files)
        return [(manifest.kind, manifest.name) for manifest in reversed(loaded)]
    word, inline = split_target(kind)
    wanted = [*([inline] if inline else []), *names]
    if files or not word or not wanted:
        raise CliError("say what to delete: KIND NAME, KIND/NAME or -f FILE", code=EXIT_USAGE)
    return [(word, name) for name in wanted]
