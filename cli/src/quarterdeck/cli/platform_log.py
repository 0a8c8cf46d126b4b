"""The local platform's log as text: JSON lines in the file, readable ones on the screen."""

from __future__ import annotations

import json
import time
from collections import deque
from pathlib import Path
from typing import Any, TextIO

from quarterdeck.cli.constants import EXIT_NOT_FOUND, LOG_FILE
from quarterdeck.cli.errors import CliError
from quarterdeck.cli.journal import clock, compact
from quarterdeck.cli.output import say
from quarterdeck.cli.table import parse_time

POLL = 0.3
SHOWN_APART = ("timestamp", "level", "event", "service")


def show_log(data_dir: Path, lines: int, follow: bool) -> None:
    """Prints the last lines of the log, and with `follow` what is added. Raises CliError if there is none."""
    path = data_dir / LOG_FILE
    try:
        with path.open(errors="replace") as file:
            for line in deque(file, maxlen=lines):
                say(readable(line))
            while follow:
                _show_added(file)
                time.sleep(POLL)
    except FileNotFoundError:
        raise CliError(
            f"there is no log at {path}",
            hint="`qd up` writes it; `qd serve` writes to its stderr",
            code=EXIT_NOT_FOUND,
        ) from None


def _show_added(file: TextIO) -> None:
    for line in file:
        say(readable(line))


def readable(line: str) -> str:
    """Returns a JSON line as text; any other line as it is."""
    try:
        entry: Any = json.loads(line)
    except ValueError:
        return line.rstrip()
    if not isinstance(entry, dict):
        return line.rstrip()
    more = " ".join(f"{key}={compact(value)}" for key, value in entry.items() if key not in SHOWN_APART)
    moment = clock(parse_time(entry.get("timestamp")))
    level, service = str(entry.get("level", "")), str(entry.get("service", ""))
    return f"{moment}  {level:<8}{service:<14}{entry.get('event', '')}  {more}".rstrip()
