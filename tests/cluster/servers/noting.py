"""A tool server on stdio that remembers what it was told in this session, and says which pod it is in."""

import os

from mcp.server.mcpserver import MCPServer

server = MCPServer("noting")
notes: list[str] = []


@server.tool()
def note(text: str) -> dict[str, object]:
    """Keeps a note and returns all of this session."""
    notes.append(text)
    return {"pod": os.environ["HOSTNAME"], "notes": notes}


server.run()
