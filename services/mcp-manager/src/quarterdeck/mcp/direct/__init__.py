"""Calls of tools in pods, over kept connections of our own: what a call costs is mostly what carries it."""
