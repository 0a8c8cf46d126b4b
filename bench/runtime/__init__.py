"""The engine on PostgreSQL beside its peers, on the same server: `make bench-runtime`."""
