"""The history of the registry's tables; `HEAD` is today's revision."""

HEAD = "0003"
