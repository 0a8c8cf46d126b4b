"""The ledger's SQLite database: its tables, and a connection that follows the file.

Amounts are whole cents. The file may be moved away while the server runs (a new month starts on a fresh
ledger): the next call then makes a new one.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

SCHEMA = """
create table if not exists invoices (
  id integer primary key,
  file text not null unique,
  vendor_name text not null,
  number text not null,
  issued_on text not null,
  due_on text,
  total integer not null,
  currency text not null,
  payment_reference text,
  iban text,
  credit_note integer not null default 0
);
create table if not exists transactions (
  id integer primary key,
  statement text not null,
  entry_ref text not null,
  booked_on text not null,
  direction text not null check (direction in ('debit', 'credit')),
  amount integer not null,
  currency text not null,
  instructed_amount integer,
  instructed_currency text,
  charges integer not null default 0,
  counterparty text not null default '',
  counterparty_iban text,
  end_to_end_id text,
  remittance text not null default '',
  structured_reference text,
  batch integer not null default 0,
  reversal integer not null default 0,
  reversed_with integer references transactions(id),
  review text check (review in ('waiting', 'rejected')),
  review_note text,
  unique (statement, entry_ref)
);
create table if not exists bookings (
  id integer primary key autoincrement,
  transaction_id integer not null references transactions(id),
  amount integer not null,
  note text not null default '',
  booked_at text not null default (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
  unbooked_at text
);
create table if not exists booking_lines (
  booking_id integer not null references bookings(id),
  invoice_id integer not null references invoices(id),
  amount integer not null,
  primary key (booking_id, invoice_id)
);
create index if not exists bookings_by_transaction on bookings(transaction_id);
create index if not exists lines_by_invoice on booking_lines(invoice_id);
"""


def connect(path: Path) -> sqlite3.Connection:
    """Opens (and if needed makes) a ledger: WAL, every commit synced to disk, foreign keys on."""
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path, timeout=10, isolation_level=None)
    connection.row_factory = sqlite3.Row
    for pragma in ("journal_mode = wal", "synchronous = full", "foreign_keys = on"):
        connection.execute(f"pragma {pragma}")
    connection.executescript(SCHEMA)
    return connection


class Ledger:
    """The ledger at a path; ``connection`` is always one to the file that is there now."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connection: sqlite3.Connection | None = None
        self._inode = 0

    @property
    def connection(self) -> sqlite3.Connection:
        """The open connection; opened anew when the file was moved away or replaced."""
        if self._connection is None or self._current_inode() != self._inode:
            self.close()
            self._connection = connect(self.path)
            self._inode = self._current_inode()
        return self._connection

    def close(self) -> None:
        """Closes the connection, if there is one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _current_inode(self) -> int:
        try:
            return self.path.stat().st_ino
        except FileNotFoundError:
            return -1


def to_cents(amount: float) -> int:
    """An amount as whole cents."""
    return round(amount * 100)


def from_cents(cents: int | None) -> float | None:
    """Whole cents as an amount with two decimals; None stays None."""
    return None if cents is None else cents / 100
