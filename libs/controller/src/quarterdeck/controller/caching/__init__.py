"""A local copy of what the API server holds: listed once, then followed."""
