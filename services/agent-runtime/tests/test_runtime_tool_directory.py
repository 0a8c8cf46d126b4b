"""What the runtime knows about tools while their server is away or gone."""

import pytest

from quarterdeck.common.clock import SystemClock
from quarterdeck.common.errors import NotFound
from quarterdeck.runtime.effects.tool_directory import ToolDirectory
from quarterdeck.runtime.testing.local_peer import LocalPeer
from quarterdeck.v1 import tools_pb2


class Manager:
    def __init__(self, answer):
        self._answer = answer

    async def ListTools(self, request):
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer


@pytest.mark.parametrize(
    "answer",
    [
        NotFound("there is no such MCPServer"),
        tools_pb2.ListToolsResponse(unavailable=["ledger: it does not start"]),
        tools_pb2.ListToolsResponse(),
    ],
    ids=["deleted", "down", "changed"],
)
async def test_a_tool_that_nobody_describes_is_no_error(answer):
    """A call of it that is uncertain is then a person's question, and no failure that may be retried."""
    directory = ToolDirectory(LocalPeer("mcp-manager", Manager(answer)), SystemClock())
    assert await directory.find("default", "ledger", "book") is None
