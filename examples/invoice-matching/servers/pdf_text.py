"""The text of a PDF, by pypdf."""

from __future__ import annotations

from pathlib import Path

from servers.toolserver import ToolError

MAX_BYTES = 10_000_000
MAX_PAGES = 20
MAX_CHARACTERS = 16_000


def read_pdf(path: Path) -> str:
    """The text of the first pages, its lines stripped; raises ToolError that says what is wrong."""
    if not path.is_file():
        raise ToolError(f"'{path.name}' is no file")
    if path.stat().st_size > MAX_BYTES:
        raise ToolError(f"'{path.name}' is larger than {MAX_BYTES} bytes")
    text = _extract(path)
    if not text.strip():
        raise ToolError(f"'{path.name}' has no text; it may be a scan without text recognition")
    return "\n".join(line.strip() for line in text.splitlines())[:MAX_CHARACTERS]


def _extract(path: Path) -> str:
    from pypdf import PdfReader

    try:
        reader = PdfReader(path)
        return "\n".join(page.extract_text() for page in reader.pages[:MAX_PAGES])
    except Exception as problem:  # a broken PDF raises nearly anything inside the library
        raise ToolError(f"'{path.name}' cannot be read as a PDF: {problem}") from problem
