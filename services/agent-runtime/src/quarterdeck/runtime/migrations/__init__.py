"""The runtime's schema history. `HEAD` is today's revision."""

HEAD = "0009"
