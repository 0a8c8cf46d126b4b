from __future__ import annotations

from pathlib import Path

import pytest
from reportlab.pdfgen.canvas import Canvas
from servers.documents import document_tools
from servers.toolserver import ToolError, call_tool


async def test_the_invoices_are_listed_in_order(committed: Path) -> None:
    tools = {tool.name: tool for tool in document_tools(committed.parent)}
    files = (await call_tool(tools, "list_invoices", {"folder": "2025-01/invoices"}))["files"]
    assert files == sorted(files)
    assert files[0] == "2025-01/invoices/invoice-001.pdf"
    assert "Fietsatelier Noordkaai BV" in (await call_tool(tools, "read_text", {"path": files[0]}))["text"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"this is no PDF", "cannot be read as a PDF"),
        (b"%PDF-1.4\n1 0 obj <<", "cannot be read as a PDF"),
        (b"", "cannot be read as a PDF"),
        (b"%PDF" + b"0" * 10_000_001, "larger than"),
    ],
)
async def test_a_broken_pdf_is_one_clear_error(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "a.pdf").write_bytes(content)
    tools = {tool.name: tool for tool in document_tools(tmp_path)}
    with pytest.raises(ToolError, match=f"'a.pdf'.*{message}"):
        await call_tool(tools, "read_text", {"path": "a.pdf"})


async def test_a_pdf_cut_off_in_the_middle_is_an_error_or_text_but_no_crash(
    tmp_path: Path, committed: Path
) -> None:
    whole = (committed / "invoices" / "invoice-001.pdf").read_bytes()
    tools = {tool.name: tool for tool in document_tools(tmp_path)}
    refused = 0
    for part in range(1, 10):
        (tmp_path / "cut.pdf").write_bytes(whole[: len(whole) * part // 10])
        try:
            assert (await call_tool(tools, "read_text", {"path": "cut.pdf"}))["text"]
        except ToolError as problem:
            assert "cut.pdf" in str(problem)
            refused += 1
    assert refused > 0


async def test_a_scan_without_text_is_said_to_be_one(tmp_path: Path) -> None:
    canvas = Canvas(str(tmp_path / "scan.pdf"))
    canvas.rect(10, 10, 100, 100)
    canvas.save()
    tools = {tool.name: tool for tool in document_tools(tmp_path)}
    with pytest.raises(ToolError, match="no text"):
        await call_tool(tools, "read_text", {"path": "scan.pdf"})


@pytest.mark.parametrize("path", ["../secret.pdf", "/etc/hostname", "link.pdf"])
async def test_paths_stay_in_the_data_folder(tmp_path: Path, path: str) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "secret.pdf").write_bytes(b"x")
    (tmp_path / "data" / "link.pdf").symlink_to(tmp_path / "secret.pdf")
    tools = {tool.name: tool for tool in document_tools(tmp_path / "data")}
    with pytest.raises(ToolError, match="outside"):
        await call_tool(tools, "read_text", {"path": path})
