"""Broken PDFs, read by the example's own agent and tools on a real platform."""

from __future__ import annotations

import shutil
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from badinput_support import HERE, LivePlatform, error_of

EXAMPLE = HERE.parent.parent / "examples/invoice-matching"
COMPANY = "Fietsatelier Noordkaai BV"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, _shared_platform: LivePlatform) -> Iterator[Path]:
    """A copy of the example with one good invoice, applied; yields the folder of its invoices."""
    copy = tmp_path_factory.mktemp("house") / "examples/invoice-matching"
    for part in ("manifests", "servers"):
        shutil.copytree(EXAMPLE / part, copy / part)
    shutil.copy(EXAMPLE / "playbook.yaml", copy)
    (copy.parent.parent / ".quarterdeck").mkdir()
    invoices = copy / "data/month"
    invoices.mkdir(parents=True)
    shutil.copy(EXAMPLE / "data/2025-01/invoices/invoice-001.pdf", invoices / "good.pdf")
    done = _shared_platform.qd("apply", "-f", str(copy / "manifests"))
    assert done.returncode == 0, done
    yield invoices


def pdf(objects: list[bytes], trailer: bytes = b"<< /Root 1 0 R /Size 9 >>") -> bytes:
    """A PDF of these objects, numbered from 1, with a cross-reference table that is right."""
    data, offsets = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        offsets.append(len(data))
        data += b"%d 0 obj\n" % number + body + b"\nendobj\n"
    start = len(data)
    data += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    data += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    return data + b"trailer\n" + trailer + b"\nstartxref\n%d\n%%%%EOF\n" % start


def page(contents: bytes, length: int | None = None) -> bytes:
    """A PDF of one page with this compressed stream."""
    stream = zlib.compress(contents, 9)
    size = len(stream) if length is None else length
    return pdf(
        [
            b"<< /Type /Catalog /Pages 2 0 R >>",
            b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] /Contents 4 0 R >>",
            b"<< /Length %d /Filter /FlateDecode >>\nstream\n" % size + stream + b"\nendstream",
        ]
    )


def broken(good: bytes) -> dict[str, bytes]:
    return {
        "empty": b"",
        "text": b"Dear Sir or Madam, please find enclosed",
        "head-only": b"%PDF-1.4\n1 0 obj <<",
        "cut": good[: len(good) // 3],
        "noise": good[:200] + bytes(range(256)) * 40,
        "no-pages": pdf([b"<< /Type /Catalog >>"]),
        "own-parent": pdf(
            [b"<< /Type /Catalog /Pages 2 0 R >>", b"<< /Type /Pages /Kids [2 0 R] /Count 1 >>"]
        ),
        "own-contents": pdf(
            [
                b"<< /Type /Catalog /Pages 2 0 R >>",
                b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
                b"<< /Type /Page /Parent 2 0 R /Contents 4 0 R >>",
                b"4 0 R",
            ]
        ),
        "bomb": page(b" " * 300_000_000),
        "wrong-length": page(b"BT (x) Tj ET", length=10_000_000),
        "unknown-operators": page(b"\x00\xff q q q ( <<< BT " * 1000),
        "huge": b"%PDF-1.4\n" + b"0" * 11_000_000,
    }


def test_a_broken_pdf_is_a_reported_problem_and_its_neighbours_are_read(
    platform: LivePlatform, folder: Path
) -> None:
    files = broken((folder / "good.pdf").read_bytes())
    for name, content in files.items():
        (folder / f"{name}.pdf").write_bytes(content)
    started = {
        name: platform.start_run(
            "Workflow", "extract-invoice", {"path": f"month/{name}.pdf", "company": COMPANY}
        )
        for name in [*files, "good"]
    }
    for name in files:
        run = platform.wait(started[name], timeout=60)
        assert run["state"] == "succeeded", (name, run)
        assert run["output"]["invoice_id"] == 0, (name, run["output"])
        assert run["output"]["problem"], name
        assert len(run["output"]["problem"]) < 500, name
    good = platform.wait(started["good"], timeout=60)
    assert good["output"]["invoice_id"] > 0, good
    said = platform.journal(platform.get("runs", parent=started["text"])["items"][0]["id"])
    assert any("'text.pdf' cannot be read as a PDF" in str(event["data"]) for event in said)


def test_a_file_outside_of_the_folder_is_not_read(platform: LivePlatform, folder: Path) -> None:
    (folder.parent.parent / "secret.pdf").write_bytes((folder / "good.pdf").read_bytes())
    run = platform.go("Workflow", "extract-invoice", {"path": "../secret.pdf", "company": COMPANY})
    assert run["output"]["invoice_id"] == 0


def test_a_statement_that_is_none_fails_its_run_alone(platform: LivePlatform, folder: Path) -> None:
    (folder / "statement.xml").write_text("<Document><unclosed></Document>")
    value = {"statement": "month/statement.xml", "invoices": "month", "company": COMPANY}
    error = error_of(platform.go("Workflow", "invoice-matching", value, timeout=60))
    assert "statement.xml" in error["message"]
