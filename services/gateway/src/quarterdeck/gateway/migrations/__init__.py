"""The schema's history; `HEAD` is today's revision."""

HEAD = "0004"
