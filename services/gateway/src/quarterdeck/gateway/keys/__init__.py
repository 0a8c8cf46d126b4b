"""API keys: how programs prove who they are."""
