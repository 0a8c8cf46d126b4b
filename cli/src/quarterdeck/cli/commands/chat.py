"""`qd chat AGENT`: a conversation at the terminal."""

from __future__ import annotations

from typing import Annotated

import typer

from quarterdeck.cli.options import ContextOption, TenantOption


def register(app: typer.Typer) -> None:
    """Adds `qd chat`."""
    app.command("chat")(chat)


def chat(
    agent: Annotated[str, typer.Argument(help="Name of an Agent.")],
    message: Annotated[str, typer.Option("--message", "-m", help="Say this, print the answer, leave.")] = "",
    session: Annotated[str, typer.Option(help="Go on with this conversation; default: a new one.")] = "",
    tenant: TenantOption = "",
    context: ContextOption = "",
) -> None:
    """Talk to an agent. Each turn is a durable run of one session; Ctrl-D leaves."""
    import uuid

    from quarterdeck.cli.conversation import Conversation
    from quarterdeck.cli.session import connect

    with connect(context, tenant) as api:
        conversation = Conversation(api, agent, session or str(uuid.uuid4()))
        if message:
            conversation.turn(message)
        else:
            conversation.loop()
