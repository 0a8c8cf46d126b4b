"""A service's own database.

Store code is plain functions over a SQLAlchemy Core `Connection`; an adapter, chosen by the URL, runs
them. `sqlite` is one file and one process; `postgres` is shared by any number of processes.
"""

from quarterdeck.common.database.awaiting import Awaited, may_pass
from quarterdeck.common.database.opening import open_database
from quarterdeck.common.database.ordering import LAST, Placed
from quarterdeck.common.database.protocol import Database, OutcomeUnknown
from quarterdeck.common.database.tenancy import across_tenants, concerning, serialize, within

__all__ = [
    "LAST",
    "Awaited",
    "Database",
    "OutcomeUnknown",
    "Placed",
    "across_tenants",
    "concerning",
    "may_pass",
    "open_database",
    "serialize",
    "within",
]
