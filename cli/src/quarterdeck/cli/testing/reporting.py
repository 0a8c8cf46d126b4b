"""Results as lines, as a document, and as JUnit XML. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any
from xml.etree import ElementTree

from quarterdeck.cli.journal import event_line
from quarterdeck.cli.testing.playing import Journal
from quarterdeck.cli.testing.results import Result

# What XML 1.0 cannot hold, whatever the escape.
_NOT_XML = {code: "�" for code in (*range(0x20), 0xFFFE, 0xFFFF) if chr(code) not in "\t\n\r"}


def result_lines(result: Result, width: int, journal: bool) -> Iterator[str]:
    """Yields the lines of one case: one if it is as expected."""
    yield f"{'ok' if result.ok else 'FAILED':<6}  {result.name:<{width}}  {result.seconds:.2f} s"
    for line in result.lines():
        yield f"        {line}"
    if journal and not result.ok:
        for found in result.played.journals:
            yield from journal_lines(found)


def journal_lines(journal: Journal) -> Iterator[str]:
    """Yields a run's journal."""
    yield f"        run {journal.run_id}  {journal.title}  {journal.state}"
    for event in journal.events:
        yield f"          {event_line(event)}"


def summary(results: Sequence[Result], seconds: float) -> str:
    """Returns the last line."""
    failed = sum(not result.ok for result in results)
    plural = "" if len(results) == 1 else "s"
    return f"{len(results)} case{plural}: {len(results) - failed} ok, {failed} failed ({seconds:.1f} s)"


def document(results: Sequence[Result], journal: bool) -> dict[str, Any]:
    """Returns the results as data."""
    failed = sum(not result.ok for result in results)
    cases = [_case(result, journal) for result in results]
    return {"cases": cases, "ok": len(results) - failed, "failed": failed}


def _case(result: Result, journal: bool) -> dict[str, Any]:
    played = result.played
    shown: dict[str, Any] = {
        "name": result.name,
        "place": result.located.place(),
        "target": result.located.case.target.to_json(),
        "ok": result.ok,
        "seconds": round(result.seconds, 3),
        "skippedSeconds": round(played.passed, 3),
        "mismatches": [
            {"place": result.located.place(m.path), "field": m.path, "message": m.message}
            for m in result.mismatches
        ],
        "state": played.state,
        "output": played.output,
        "error": played.error,
        "calls": played.calls,
        "approvals": played.approvals,
        "saved": played.saved,
    }
    if journal and not result.ok:
        shown["journals"] = [
            {"run": found.run_id, "title": found.title, "state": found.state, "events": found.events}
            for found in played.journals
        ]
    return shown


def junit(results: Sequence[Result]) -> bytes:
    """Returns JUnit XML: a test suite for each case file."""
    root = ElementTree.Element("testsuites")
    for file in dict.fromkeys(result.located.document.source for result in results):
        mine = [result for result in results if result.located.document.source == file]
        failed = sum(not result.ok for result in mine)
        took = f"{sum(result.seconds for result in mine):.3f}"
        attributes = {"name": file, "tests": str(len(mine)), "failures": str(failed), "time": took}
        suite = ElementTree.SubElement(root, "testsuite", attributes)
        for result in mine:
            _testcase(suite, result)
    ElementTree.indent(root)
    data: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return data + b"\n"


def _testcase(suite: ElementTree.Element, result: Result) -> None:
    target = result.located.case.target
    attributes = {
        "name": result.name,
        "classname": f"{target.kind}.{target.name}",
        "file": result.located.document.source,
        "line": str(result.located.document.line),
        "time": f"{result.seconds:.3f}",
    }
    element = ElementTree.SubElement(suite, "testcase", attributes)
    if result.ok:
        return
    lines = [line.translate(_NOT_XML) for line in result.lines()]
    failure = ElementTree.SubElement(element, "failure", {"message": lines[0]})
    failure.text = "\n".join(lines)
    journal = [line for found in result.played.journals for line in journal_lines(found)]
    ElementTree.SubElement(element, "system-out").text = "\n".join(journal).translate(_NOT_XML)
