"""What a platform's process logs: one form for ours and libraries', named, and without secrets."""

import json
import subprocess
import sys

SCRIPT = """
import logging, sys, structlog
from pathlib import Path
from structlog.contextvars import bound_contextvars
from quarterdeck.cli.logfile import log_to_file, log_to_stream
from quarterdeck.common.telemetry import Telemetry
log_to_file(Path(sys.argv[1]), "info") if len(sys.argv) > 1 else log_to_stream("info", "json")
with bound_contextvars(run_id="r1", tenant="default"), Telemetry("test").span("request"):
    logging.getLogger("some.library").error("sent %s", "Authorization: Bearer abcdefgh12345678")
    structlog.get_logger("ours").info("done", password="hush")
"""


def lines(text):
    assert "abcdefgh" not in text and "hush" not in text
    return [json.loads(line) for line in text.splitlines()]


def check(found):
    theirs, ours = found
    assert (theirs["event"], theirs["level"]) == ("sent Authorization: Bearer [redacted]", "error")
    assert (ours["event"], ours["password"]) == ("done", "[redacted]")
    for line in found:
        assert (line["run_id"], line["tenant"], len(line["trace_id"])) == ("r1", "default", 32)
    assert theirs["trace_id"] == ours["trace_id"]


def run(*arguments):
    command = [sys.executable, "-c", SCRIPT, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=True)


def test_a_services_stderr():
    check(lines(run().stderr))


def test_the_platforms_file_and_the_screen(tmp_path):
    screen = run(tmp_path).stderr
    assert "some.library" in screen or "sent" in screen
    assert "abcdefgh" not in screen and "done" not in screen
    check(lines((tmp_path / "logs/quarterdeck.log").read_text()))
