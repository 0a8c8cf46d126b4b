"""Opens the API for a command."""

from __future__ import annotations

from quarterdeck.cli.api import Api
from quarterdeck.cli.contexts import resolve


def connect(context: str = "", tenant: str = "") -> Api:
    """Returns the client for a context and a tenant, both from the command line and maybe empty."""
    return Api(resolve(context, tenant))
