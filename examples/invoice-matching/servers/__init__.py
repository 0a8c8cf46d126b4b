"""The example's two tool servers: ``ledger`` (a SQLite ledger) and ``documents`` (the PDFs)."""
