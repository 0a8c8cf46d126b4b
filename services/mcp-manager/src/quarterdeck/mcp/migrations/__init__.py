"""The history of mcp-manager's tables; `HEAD` is today's revision."""

HEAD = "0003"
