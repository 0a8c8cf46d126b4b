"""Carrying out effects: tools, models, memory. One module a kind."""
