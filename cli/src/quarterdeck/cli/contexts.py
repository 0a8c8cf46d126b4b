"""Contexts: which platform `qd` talks to, as whom, about which tenant.

The file is ~/.config/quarterdeck/config.yaml, or the one QD_CONFIG names:

    currentContext: production
    contexts:
    - name: production
      server: https://quarterdeck.example.com
      tenant: acme
      tokenFile: ~/.config/quarterdeck/production.token   # or token: …, or signIn: what `qd login` left

Without a file there is one context, "local": the platform of the nearest `.quarterdeck`.
QD_SERVER, QD_TOKEN and QD_TENANT override what the context says.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from quarterdeck.cli.constants import EXIT_INVALID, EXIT_NOT_FOUND, EXIT_UNREACHABLE, LOCAL_CONTEXT
from quarterdeck.cli.datadir import find_data_dir, read_admin_token, read_endpoint
from quarterdeck.cli.errors import CliError

DEFAULT_TENANT = "default"


@dataclass(frozen=True, slots=True)
class Context:
    """One entry of the configuration file. Empty strings mean "not said"."""

    name: str
    server: str = ""
    tenant: str = ""
    token: str = ""
    token_file: str = ""
    sign_in: str = ""
    data_dir: str = ""

    def to_entry(self) -> dict[str, str]:
        """Returns the entry as it stands in the file."""
        names = {"name": "name", "server": "server", "tenant": "tenant", "token": "token"}
        names |= {"token_file": "tokenFile", "sign_in": "signIn", "data_dir": "dataDir"}
        return {shown: value for field, shown in names.items() if (value := getattr(self, field))}


@dataclass(frozen=True, slots=True)
class Configuration:
    """The whole file."""

    current: str
    contexts: tuple[Context, ...]

    def find(self, name: str) -> Context | None:
        """Returns a context by name; "local" exists always."""
        for context in self.contexts:
            if context.name == name:
                return context
        return Context(LOCAL_CONTEXT) if name == LOCAL_CONTEXT else None

    def with_context(self, context: Context) -> Configuration:
        """Returns a configuration in which `context` replaces the one of its name."""
        others = tuple(known for known in self.contexts if known.name != context.name)
        return replace(self, contexts=(*others, context))


@dataclass(frozen=True, slots=True)
class Connection:
    """Everything a client needs: base URL, bearer token, tenant, and which context said so."""

    url: str
    token: str
    tenant: str
    context: str = LOCAL_CONTEXT


def configuration_path() -> Path:
    """Returns where the configuration file is, whether it exists or not."""
    named = os.environ.get("QD_CONFIG")
    if named:
        return Path(named).expanduser()
    base = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(base).expanduser() / "quarterdeck" / "config.yaml"


def load_configuration() -> Configuration:
    """Reads the configuration file; without one, the local context alone. Raises CliError."""
    path = configuration_path()
    try:
        text = path.read_text()
    except FileNotFoundError:
        return Configuration(LOCAL_CONTEXT, ())
    except OSError as error:
        raise CliError(f"cannot read {path}: {error.strerror}", code=EXIT_INVALID) from None
    return _parse(text, path)


def _parse(text: str, path: Path) -> Configuration:
    import yaml

    try:
        document = yaml.safe_load(text) or {}
        contexts = tuple(_context(entry) for entry in document.get("contexts") or ())
        return Configuration(str(document.get("currentContext") or LOCAL_CONTEXT), contexts)
    except (yaml.YAMLError, AttributeError, KeyError, TypeError) as error:
        first = str(error).splitlines()[0]
        raise CliError(
            f"{path} is not a configuration file: {first}",
            hint="it holds currentContext and a list of contexts, each with a name; see docs/cli.md",
            code=EXIT_INVALID,
        ) from None


def _context(entry: dict[str, Any]) -> Context:
    return Context(
        name=str(entry["name"]),
        server=str(entry.get("server") or ""),
        tenant=str(entry.get("tenant") or ""),
        token=str(entry.get("token") or ""),
        token_file=str(entry.get("tokenFile") or ""),
        sign_in=str(entry.get("signIn") or ""),
        data_dir=str(entry.get("dataDir") or ""),
    )


def save_configuration(configuration: Configuration) -> Path:
    """Writes the file with mode 0600, since it may hold tokens; returns where."""
    import yaml

    path = configuration_path()
    document = {
        "currentContext": configuration.current,
        "contexts": [context.to_entry() for context in configuration.contexts],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.touch(mode=0o600)
    temporary.write_text(yaml.safe_dump(document, sort_keys=False))
    temporary.replace(path)
    return path


def save_context(context: Context, *, current: bool) -> Path:
    """Writes one context into the file, as the current one if so wished; returns where."""
    configuration = load_configuration().with_context(context)
    return save_configuration(replace(configuration, current=context.name) if current else configuration)


def find_context(name: str = "") -> Context:
    """Returns a context: the named one, or QD_CONTEXT, or the file's current one. Raises CliError."""
    configuration = load_configuration()
    name = name or os.environ.get("QD_CONTEXT") or configuration.current
    context = configuration.find(name)
    if context is None:
        known = ", ".join([LOCAL_CONTEXT, *(item.name for item in configuration.contexts)])
        raise CliError(f"no context {name!r}", hint=f"there are: {known}", code=EXIT_NOT_FOUND)
    return context


def resolve(context_name: str = "", tenant: str = "") -> Connection:
    """Returns the connection for a command.

    Args:
        context_name: from the command line; empty: QD_CONTEXT, then the file's current one.
        tenant: from the command line; empty: QD_TENANT, then the context's, then "default".
    """
    context = find_context(context_name)
    url = address_of(context)
    token = os.environ.get("QD_TOKEN") or _token(context)
    if not token and not _server(context):
        token = read_admin_token(_data_dir(context))
    chosen = tenant or os.environ.get("QD_TENANT") or context.tenant or DEFAULT_TENANT
    return Connection(url, token, chosen, context.name)


def address_of(context: Context) -> str:
    """Returns the base URL of a context's gateway. Raises CliError where no platform runs."""
    if server := _server(context):
        return server.rstrip("/")
    data_dir = _data_dir(context)
    endpoint = read_endpoint(data_dir)
    if endpoint is None:
        raise CliError(
            f"no platform runs on {data_dir}",
            hint="start one with `qd up`, or name another with `qd config set-context NAME --server URL`",
            code=EXIT_UNREACHABLE,
        )
    return endpoint.url


def _server(context: Context) -> str:
    return os.environ.get("QD_SERVER") or context.server


def _data_dir(context: Context) -> Path:
    return Path(context.data_dir).expanduser() if context.data_dir else find_data_dir()


def _token(context: Context) -> str:
    if context.sign_in:
        from quarterdeck.cli.login.kept import current_token

        return current_token(Path(context.sign_in).expanduser(), context.name)
    if context.token or not context.token_file:
        return context.token
    path = Path(context.token_file).expanduser()
    try:
        return path.read_text().strip()
    except OSError as error:
        raise CliError(
            f"cannot read the token of context {context.name!r}: {path}: {error.strerror}", code=EXIT_INVALID
        ) from None
