"""The examples of docs/playbook.md, executed; and its tables, complete."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from quarterdeck.llm.playbook import PlaybookProvider, functions, limits
from quarterdeck.llm.playbook.expressions import CEL_FUNCTIONS
from quarterdeck.llm.playbook.transcript import VARIABLES
from quarterdeck.llm.types import Message, ModelRequest, RequestMetadata, ToolResult, ToolSpec

PAGE = (Path(__file__).parents[3] / "docs" / "playbook.md").read_text()
CUSTOMERS = [{"id": 1, "name": "Moller Ltd"}, {"id": 2, "name": "Möller GmbH"}, {"id": 3, "name": "Zenith"}]
INVOICES = {
    1: [{"number": "INV-1", "cents": 99900}],
    2: [{"number": "INV-7", "cents": 123450}, {"number": "INV-8", "cents": 500}],
}


def example(mark: str) -> str:
    found = re.search(rf"<!-- test: {re.escape(mark)} -->\n```yaml\n(.*?)```", PAGE, re.S)
    assert found, f"docs/playbook.md has no example marked {mark}"
    return found[1]


def run_clerk(payment: dict[str, Any], customers: list[dict[str, Any]]) -> tuple[Any, list[str]]:
    """The answer of the page's clerk, and the tools it called."""
    provider = PlaybookProvider.from_text(example("clerk.yaml"))
    tools = tuple(ToolSpec(name, "", {"type": "object"}) for name in ("find_customers", "open_invoices"))
    metadata = RequestMetadata(agent="clerk", input={"payment": payment})
    messages = [Message.user("Match it")]
    called: list[str] = []
    for _ in range(5):
        request = ModelRequest(tuple(messages), tools=tools, output_schema={}, metadata=metadata)
        message = asyncio.run(provider.generate(request)).message
        if not message.tool_uses:
            return json.loads(message.text), called
        results = []
        for use in message.tool_uses:
            called.append(use.name)
            found = customers if use.name == "find_customers" else INVOICES[use.arguments["customer"]]
            results.append(ToolResult(use.id, found))
        messages += [message, Message.user(*results)]
    raise AssertionError("the clerk never answers")


def test_the_complete_example_finds_the_invoice() -> None:
    payment = {"text": "Amount: EUR 1.234,50", "name": "MOELLER GMBH", "cents": 0}
    result, called = run_clerk(payment, CUSTOMERS)
    assert result == {"invoice": "INV-7", "reason": "1 of 3 open invoices fit"}
    assert called == ["find_customers", "open_invoices", "open_invoices"]


@pytest.mark.parametrize(
    ("text", "cents", "expected"),
    [("Invoice no. INV-8", 77, "INV-8"), ("thank you", 99900, "INV-1"), ("thank you", 1, None)],
)
def test_the_complete_example_decides_each_case(text: str, cents: int, expected: str | None) -> None:
    result, _ = run_clerk({"text": text, "name": "Möller", "cents": cents}, CUSTOMERS)
    assert result["invoice"] == expected


def test_the_complete_example_stops_without_a_customer() -> None:
    result, called = run_clerk({"text": "", "name": "Nobody", "cents": 5}, [])
    assert (result, called) == ({"invoice": None, "reason": "no such customer"}, ["find_customers"])


def test_the_functions_example_runs() -> None:
    steps = yaml.safe_load(example("functions"))["let"]
    rules = [
        {"name": "look", "when": "size(tools.search) == 0", "call": [{"tool": "search"}]},
        {"name": "answer", "let": steps, "answer": {"winner": "${winner}", "together": "${together}"}},
    ]
    document = {"kind": "Playbook", "name": "x", "agents": {"a": {"rules": rules}}}
    provider = PlaybookProvider.from_text(json.dumps(document))
    metadata = RequestMetadata(agent="a", input={"vendor": "Acme Ltd", "date": "2025-01-10", "amount": 30.0})
    hits = [
        {"id": 1, "vendor": "ACME Ltd.", "due": "2025-01-08", "amount": 10.0},
        {"id": 2, "vendor": "Acme Limited", "due": "2025-01-10", "amount": 20.0},
        {"id": 3, "vendor": "Zenith", "due": "2025-01-10", "amount": 7.0},
    ]

    async def run() -> Any:
        tools = (ToolSpec("search", "", {"type": "object"}),)
        begin = Message.user("Begin")
        first = await provider.generate(ModelRequest((begin,), tools=tools, metadata=metadata))
        given = Message.user(ToolResult(first.message.tool_uses[0].id, hits))
        request = ModelRequest(
            (begin, first.message, given), tools=tools, output_schema={}, metadata=metadata
        )
        return json.loads((await provider.generate(request)).message.text)

    result = asyncio.run(run())
    assert result["winner"] == {"id": 1, "score": pytest.approx(0.98)}
    assert [[item["id"] for item in group] for group in result["together"]] == [[1, 2]]


def test_every_yaml_example_is_yaml() -> None:
    examples = re.findall(r"```yaml\n(.*?)```", PAGE, re.S)
    assert len(examples) == 4
    for text in examples:
        assert isinstance(yaml.safe_load(text), dict)


def test_the_tables_name_every_function_variable_and_limit() -> None:
    for name in [*functions.FUNCTIONS, "extract"]:
        assert f"| `${name}` |" in PAGE
    for function in CEL_FUNCTIONS:
        assert f"| `{function.name}(" in PAGE
    for name in VARIABLES:
        assert f"| `{name}" in PAGE
    for number in (limits.SEARCHED_CHARACTERS, limits.ITEMS):
        assert f"{number:,}" in PAGE
    assert f"{limits.SEARCH_SECONDS * 1000:.0f} ms" in PAGE
    assert f"{limits.DOCUMENT_BYTES // 1024} KiB" in PAGE
    assert f"up to {limits.SUBSET_ITEMS} items" in PAGE
    assert f"up to {limits.PATTERN_CHARACTERS} characters" in PAGE
