"""`qd login`: from a person to a token."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

import typer

from quarterdeck.cli.constants import EXIT_NOT_FOUND
from quarterdeck.cli.contexts import (
    Connection,
    Context,
    address_of,
    find_context,
    load_configuration,
    save_context,
)
from quarterdeck.cli.errors import CliError
from quarterdeck.cli.options import ContextOption
from quarterdeck.cli.output import say

ProviderArgument = Annotated[
    str, typer.Argument(help="Name of an identity provider; needed where there are several.")
]
ServerOption = Annotated[
    str, typer.Option(help="Base URL of a gateway; makes, or changes, the context that --context names.")
]


def register(app: typer.Typer) -> None:
    """Adds `qd login`."""
    app.command()(login)


def login(provider: ProviderArgument = "", server: ServerOption = "", context: ContextOption = "") -> None:
    """Sign in at an identity provider, by a code that you type into a browser."""
    from quarterdeck.cli.login.device import begin, wait
    from quarterdeck.cli.login.kept import claims_of, keep, path_for, sign_in_of
    from quarterdeck.cli.login.provider import endpoints_of

    chosen = _context(context, server)
    found = _provider(chosen, provider)
    endpoints, client = endpoints_of(found["issuer"]), found["clientId"]
    begun = begin(endpoints, client, found["scopes"])
    say(f"Open {begun['verification_uri']} and type the code {begun['user_code']}")
    if complete := begun.get("verification_uri_complete"):
        say(f"or open {complete}")
    sign_in = sign_in_of(found["name"], endpoints.token, client, wait(endpoints, client, begun))
    path = path_for(chosen.name)
    keep(path, sign_in)
    save_context(replace(chosen, token="", token_file="", sign_in=str(path)), current=bool(server))
    say(f"signed in as {found['name']}:{claims_of(sign_in.id_token).get('sub', '')}, context {chosen.name}")


def _context(name: str, server: str) -> Context:
    if not server:
        return find_context(name)
    known = load_configuration().find(name) if name else None
    return replace(known or Context(name or "default"), server=server)


def _provider(context: Context, name: str) -> dict[str, Any]:
    """Asks the gateway where people sign in. Raises CliError if that is not clear."""
    from quarterdeck.cli.api import Api

    with Api(Connection(address_of(context), "", "", context.name)) as api:
        listed: list[dict[str, Any]] = api.get("/auth/providers")["items"]
    names = ", ".join(one["name"] for one in listed)
    if not listed:
        raise CliError(
            "the platform knows no identity provider",
            hint="its operator names them by QD_GATEWAY_IDENTITY_PROVIDERS; see docs/security.md",
            code=EXIT_NOT_FOUND,
        )
    matching = [one for one in listed if one["name"] == name] if name else listed
    if len(matching) != 1:
        wrong = f"there is no identity provider {name!r}" if name else "there are several identity providers"
        raise CliError(wrong, hint=f"name one: {names}", code=EXIT_NOT_FOUND)
    return matching[0]
