"""`qd approvals …`: what waits for a person, and the decisions."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from quarterdeck.cli.constants import EXIT_USAGE
from quarterdeck.cli.errors import CliError
from quarterdeck.cli.options import ContextOption, OutputOption, TenantOption, bare_id
from quarterdeck.cli.output import Output, say, show_list, show_one

IdArgument = Annotated[str, typer.Argument(metavar="APPROVAL", help="Id of the approval.", parser=bare_id)]
IdsArgument = Annotated[list[str] | None, typer.Argument(metavar="APPROVAL…", help="Ids.", parser=bare_id)]
RunOption = Annotated[str, typer.Option("--run", help="Of this run and every run below it.")]
AllOption = Annotated[bool, typer.Option("--all", help="Every open one; with --run, of that run.")]
CommentOption = Annotated[str, typer.Option("--comment", "-m", help="Why; the journal keeps it.")]
HashOption = Annotated[
    str, typer.Option("--hash", help="Refuse unless the data still has this hash (`show` prints it).")
]

approvals = typer.Typer(no_args_is_help=True, help="See and decide what waits for a person.")


def register(app: typer.Typer) -> None:
    """Adds `qd approvals`."""
    app.add_typer(approvals, name="approvals")


@approvals.command("list")
def list_approvals(
    state: Annotated[
        str, typer.Option(help="open, approved, rejected, expired, withdrawn; or `all`.")
    ] = "open",
    run: RunOption = "",
    limit: Annotated[int, typer.Option(help="At most so many; 0: all.")] = 100,
    output: OutputOption = Output.TABLE,
    tenant: TenantOption = "",
    context: ContextOption = "",
) -> None:
    """List approvals: the open ones unless told otherwise."""
    from quarterdeck.cli.runs_view import APPROVAL_COLUMNS, approval_name
    from quarterdeck.cli.session import connect

    query = {"state": None if state == "all" else state, "run": run or None}
    with connect(context, tenant) as api:
        items = list(api.pages(api.tenant_path("approvals"), query, limit))
    show_list(items, APPROVAL_COLUMNS, output, approval_name, "nothing waits for you")


@approvals.command("show")
def show(
    approval: IdArgument,
    output: OutputOption = Output.TABLE,
    tenant: TenantOption = "",
    context: ContextOption = "",
) -> None:
    """Show what will be done if it is approved, and why a person is asked."""
    from quarterdeck.cli.runs_view import APPROVAL_COLUMNS, APPROVAL_FIELDS, approval_name, fields_text
    from quarterdeck.cli.session import connect

    with connect(context, tenant) as api:
        found = api.get(api.tenant_path("approvals", approval))
    if output is Output.TABLE:
        say("\n".join(fields_text(found, APPROVAL_FIELDS)))
    else:
        show_one(found, APPROVAL_COLUMNS, output, approval_name)


@approvals.command("approve")
def approve(
    ids: IdsArgument = None,
    everything: AllOption = False,
    run: RunOption = "",
    comment: CommentOption = "",
    answer: Annotated[
        str, typer.Option(help="A question's answer, or edited data: JSON, @file or @- for stdin.")
    ] = "",
    data_hash: HashOption = "",
    tenant: TenantOption = "",
    context: ContextOption = "",
) -> None:
    """Approve: the run goes on with what `show` showed."""
    _decide(ids or [], True, everything, run, comment, answer, data_hash, tenant, context)


@approvals.command("reject")
def reject(
    ids: IdsArgument = None,
    everything: AllOption = False,
    run: RunOption = "",
    comment: CommentOption = "",
    data_hash: HashOption = "",
    tenant: TenantOption = "",
    context: ContextOption = "",
) -> None:
    """Reject: what was asked for is not done."""
    _decide(ids or [], False, everything, run, comment, "", data_hash, tenant, context)


def _decide(
    ids: list[str],
    approved: bool,
    everything: bool,
    run: str,
    comment: str,
    answer: str,
    data_hash: str,
    tenant: str,
    context: str,
) -> None:
    from quarterdeck.cli.payload import read_payload
    from quarterdeck.cli.session import connect

    if bool(ids) == everything or (data_hash and len(ids) != 1):
        raise CliError("name approvals, or say --all; --hash goes with exactly one", code=EXIT_USAGE)
    value = read_payload(answer, "--answer") if answer else None
    with connect(context, tenant) as api:
        query = {"state": "open", "run": run or None}
        if everything:
            ids = [str(item["id"]) for item in api.pages(api.tenant_path("approvals"), query)]
        for one in ids:
            body = {"approve": approved, "comment": comment, "answer": value, "dataHash": data_hash}
            done = api.post(api.tenant_path("approvals", one, "decision"), _given(body))
            say(f"approval/{one} {done['approval']['state']}")
    if not ids:
        say("nothing waits for you")


def _given(body: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in body.items() if value not in (None, "")}
