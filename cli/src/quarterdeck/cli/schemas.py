"""The databases of the services, as commands see them that look after schemas."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from quarterdeck.cli.constants import EXIT_USAGE
from quarterdeck.cli.errors import CliError
from quarterdeck.cli.startup_errors import explain_start
from quarterdeck.common.settings import PlatformSettings

if TYPE_CHECKING:
    from sqlalchemy import MetaData

    from quarterdeck.common.database.standing import Standing

# Service: its package, and where that declares its tables.
TABLES = {
    "registry": ("quarterdeck.registry", "tables:METADATA"),
    "memory": ("quarterdeck.memory", "store:metadata"),
    "mcp-manager": ("quarterdeck.mcp", "store:metadata"),
    "agent-runtime": ("quarterdeck.runtime", "tables:METADATA"),
    "gateway": ("quarterdeck.gateway", "tables:METADATA"),
}


@dataclass(frozen=True, slots=True)
class Schema:
    """A service's database: where it is, the tables it should have, and their history's package."""

    service: str
    url: str
    metadata: MetaData
    migrations: str

    @property
    def place(self) -> str:
        """Where it is, in words: no password."""
        if self.url.startswith("sqlite:///"):
            return self.url.removeprefix("sqlite:///")
        from quarterdeck.common.database.address import read_address

        address = read_address(self.url)
        return f"{address.schema} in {address.name}"


def schemas(settings: PlatformSettings, services: Sequence[str]) -> Iterator[Schema]:
    """Yields the schemas of some services; of all if none is named. Raises CliError for an unknown one."""
    for service in services or TABLES:
        if service not in TABLES:
            raise CliError(f"no service {service!r}", hint="there are: " + ", ".join(TABLES), code=EXIT_USAGE)
        package, where = TABLES[service]
        module, _, attribute = where.partition(":")
        metadata: Any = getattr(importlib.import_module(f"{package}.{module}"), attribute)
        yield Schema(service, settings.database_for(service), metadata, f"{package}.migrations")


async def standing_of(schema: Schema, settings: PlatformSettings) -> Standing:
    """Returns the state of a schema. Raises CliError if its database cannot be read."""
    from quarterdeck.common.database.standing import look

    try:
        return await look(schema.url, schema.metadata, schema.migrations)
    except Exception as error:
        raise explain_start(error, settings.data_dir.absolute()) from error


async def migrate(schema: Schema, settings: PlatformSettings) -> None:
    """Creates a schema or brings it up to date. Raises CliError if that cannot be done."""
    from quarterdeck.common.database import open_database

    try:
        database = await open_database(schema.url, schema.metadata, schema.migrations)
        await database.close()
    except Exception as error:
        raise explain_start(error, settings.data_dir.absolute()) from error
