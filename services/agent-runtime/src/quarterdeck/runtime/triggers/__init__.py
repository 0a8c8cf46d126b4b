"""Triggers: the clock, routes, webhooks and events start runs."""
