"""Which ready runs a worker takes: turns between tenants, limits on what goes on at once."""
