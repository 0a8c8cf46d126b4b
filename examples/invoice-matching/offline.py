"""Runs rules and tools in this process, without the platform: how the playbook is tuned and measured fast.

    python offline.py data/2025-01

It is the same playbook and the same tools; memory search is left out (``memory`` is an empty list), journal,
approvals and policy too. What the Workflow would park for a person is marked as waiting.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from score import Score, render, score
from servers.database import Ledger
from servers.documents import document_tools
from servers.ledger import ledger_tools
from servers.toolserver import Tool, ToolError, call_tool

from quarterdeck.llm.playbook import PlaybookProvider
from quarterdeck.llm.types import Message, ModelRequest, RequestMetadata, ToolResult, ToolSpec

HERE = Path(__file__).resolve().parent
COMPANY = "Fietsatelier Noordkaai BV"
AUTOMATIC, PLAUSIBLE = 0.90, 0.50
MOST_TURNS = 6


class Offline:
    """An agent loop of a few lines over the playbook and the tools of both servers."""

    def __init__(self, month: Path, ledger: Path) -> None:
        self.month = month
        tools = [*ledger_tools(Ledger(ledger), month), *document_tools(month)]
        self.tools: Mapping[str, Tool] = {tool.name: tool for tool in tools}
        self._provider = PlaybookProvider.from_files(HERE / "playbook.yaml")

    async def call(self, name: str, **arguments: Any) -> Any:
        """Calls a tool."""
        return await call_tool(self.tools, name, arguments)

    async def ask(self, agent: str, offered: Sequence[str], value: Mapping[str, Any]) -> tuple[Any, int]:
        """Runs an agent until it answers: the answer and how many turns it took."""
        specs = tuple(
            ToolSpec(name, self.tools[name].description, self.tools[name].schema) for name in offered
        )
        messages = [Message.user(json.dumps(value))]
        for turn in range(1, MOST_TURNS + 1):
            metadata = RequestMetadata(agent=agent, input=value, turn=turn)
            request = ModelRequest(
                tuple(messages), tools=specs, output_schema={"type": "object"}, metadata=metadata
            )
            message = (await self._provider.generate(request)).message
            messages.append(message)
            if not message.tool_uses:
                return json.loads(message.text), turn
            messages.append(
                Message.user(
                    *[await self._result(use.id, use.name, use.arguments) for use in message.tool_uses]
                )
            )
        raise RuntimeError(f"{agent} gave no answer in {MOST_TURNS} turns")

    async def _result(self, identity: str, name: str, arguments: Mapping[str, Any]) -> ToolResult:
        try:
            return ToolResult(identity, await self.call(name, **arguments))
        except ToolError as problem:
            return ToolResult(identity, str(problem), is_error=True)

    async def extract(self) -> list[dict[str, Any]]:
        """Extracts and saves every invoice; gives the answers with their paths."""
        answers = []
        for path in (await self.call("list_invoices", folder="invoices"))["files"]:
            answer, _ = await self.ask("invoice-extractor", ["read_text"], {"path": path, "company": COMPANY})
            answers.append({"path": path, **answer})
            if answer["readable"]:
                fields = {key: value for key, value in answer.items() if key not in {"readable", "problem"}}
                await self.call("save_invoice", file=path, **fields)
        return answers

    async def match(self) -> list[dict[str, Any]]:
        """Matches every unmatched transaction, as the Workflow does; gives the answers with their entries."""
        answers = []
        for transaction in (await self.call("list_unmatched"))["transactions"]:
            value = {"transaction": transaction, "memory": []}
            answer, _ = await self.ask("invoice-matcher", ["find_invoices", "score_candidates"], value)
            answers.append({"entry_ref": transaction["entry_ref"], **answer})
            if answer["matched"] and answer["confidence"] >= AUTOMATIC:
                await self.call(
                    "book",
                    transaction=transaction["id"],
                    invoices=answer["invoices"],
                    amount=answer["amount"],
                    note=answer["reason"],
                    confidence=answer["confidence"],
                )
            elif answer["confidence"] >= PLAUSIBLE:
                await self.call(
                    "mark_review", transaction=transaction["id"], state="waiting", note=answer["reason"]
                )
        return answers


async def run_month(month: Path, ledger: Path) -> Score:
    """The whole morning on a fresh ledger, scored."""
    offline = Offline(month, ledger)
    await offline.call("import_statement", path="statement.xml")
    await offline.extract()
    await offline.match()
    return score(ledger, month / "answer-key.json")


def main() -> None:
    """Runs one month and prints its score."""
    parser = argparse.ArgumentParser(description="Run the example's rules and tools without the platform.")
    parser.add_argument("month", type=Path, help="a folder made by the generator")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        result = asyncio.run(run_month(options.month, Path(folder) / "ledger.db"))
    print(json.dumps(result.as_json()) if options.json else render(result))


if __name__ == "__main__":
    main()
