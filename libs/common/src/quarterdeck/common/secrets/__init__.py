"""Secrets by reference: read when they are needed, kept for a minute at most, written nowhere."""
