"""The documents as an MCP tool server over stdio: lists PDFs, reads their text, compares.

    python servers/documents.py --data data

The folder can be set by environment instead: DOCUMENTS_DATA.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from servers.folders import inside
from servers.pdf_text import read_pdf
from servers.scoring import score_candidates
from servers.toolserver import Arguments, Result, Tool, ToolError, serve

DATA = Path(__file__).resolve().parent.parent / "data"


class DocumentTools:
    """The tools' functions over one data folder."""

    def __init__(self, data: Path) -> None:
        self._data = data

    def list_invoices(self, arguments: Arguments) -> Result:
        """The PDFs directly in a folder, by name; paths are relative to the data folder."""
        folder = inside(self._data, arguments["folder"])
        if not folder.is_dir():
            raise ToolError(f"'{arguments['folder']}' is a file; list_invoices takes a folder")
        root = self._data.resolve()
        return {"files": [str(path.relative_to(root)) for path in sorted(folder.glob("*.pdf"))]}

    def read_text(self, arguments: Arguments) -> Result:
        """The text of one PDF."""
        return {"path": arguments["path"], "text": read_pdf(inside(self._data, arguments["path"]))}

    def score_candidates(self, arguments: Arguments) -> Result:
        """Features of each candidate."""
        return score_candidates(arguments["transaction"], arguments["candidates"])


def document_tools(data: Path) -> list[Tool]:
    """The tools over this data folder; all of them only read."""
    do = DocumentTools(data)
    path = {"type": "string", "description": "path under the data folder"}
    return [
        Tool(
            "list_invoices",
            "List the PDF files in a folder.",
            do.list_invoices,
            {"folder": path},
            ["folder"],
            True,
        ),
        Tool("read_text", "Read the text of a PDF file.", do.read_text, {"path": path}, ["path"], True),
        Tool(
            "score_candidates",
            "Compare a transaction with candidate invoices. Gives facts for each (reference found, name "
            "similarity, difference of amounts, currency, days) and sums of several; it does not decide.",
            do.score_candidates,
            {
                "transaction": {"type": "object", "description": "as list_unmatched gives it"},
                "candidates": {
                    "type": "array",
                    "maxItems": 50,
                    "items": {"type": "object"},
                    "description": "as find_invoices gives them",
                },
            },
            ["transaction", "candidates"],
            True,
        ),
    ]


def main() -> None:
    """Reads arguments and environment and serves."""
    parser = argparse.ArgumentParser(description="The documents as an MCP server over stdio.")
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("DOCUMENTS_DATA", DATA)))
    serve("documents", "1.0.0", document_tools(parser.parse_args().data))


if __name__ == "__main__":
    main()
