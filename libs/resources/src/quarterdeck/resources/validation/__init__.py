"""Checks beyond the schema: each a small function over a parsed object that returns field errors."""

from quarterdeck.resources.validation.checks import validate

__all__ = ["validate"]
