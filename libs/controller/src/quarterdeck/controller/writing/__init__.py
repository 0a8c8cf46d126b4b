"""Writes that controllers make, each only if it changes something."""
