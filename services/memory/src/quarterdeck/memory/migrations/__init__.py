"""Schema history of the memory service's database."""

HEAD = "0001"
