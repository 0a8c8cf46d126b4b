"""The gateway's tables: durable copies of the triggers whose routes it serves."""

from __future__ import annotations

from sqlalchemy import MetaData

from quarterdeck.common.database.rules import protect
from quarterdeck.common.watching import objects_table

METADATA = MetaData()
WATCHED_OBJECTS = objects_table(METADATA)
protect(METADATA)
