"""Where a platform's process writes its log: all of it to a file, warnings to the screen as well.

The services log through structlog; libraries through `logging`. Both end here as one JSON
object a line, without secrets.
"""

from __future__ import annotations

import logging
import logging.handlers
import os
import sys
from pathlib import Path
from typing import Any, TextIO

from quarterdeck.cli.constants import LOG_FILE

MAX_BYTES = 20 * 1024 * 1024
KEPT_FILES = 5


def log_to_file(data_dir: Path, level: str, screen: TextIO | None = None) -> Path:
    """Sends the process's logs to <data_dir>/logs/quarterdeck.log and returns that path.

    Args:
        data_dir: of the platform; the folder is made when it is missing.
        level: debug, info, warning or error, for the file.
        screen: where warnings go for people; None: stderr.
    """
    path = data_dir / LOG_FILE
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    file = logging.handlers.RotatingFileHandler(path, maxBytes=MAX_BYTES, backupCount=KEPT_FILES, delay=True)
    people = logging.StreamHandler(screen or sys.stderr)
    people.setLevel(logging.WARNING)
    _configure(level, {file: "json", people: "console"})
    return path


def log_to_stream(level: str, form: str) -> None:
    """Sends the process's logs to stderr, as JSON or for people: what a container's process does."""
    _configure(level, {logging.StreamHandler(sys.stderr): form})


def quiet_grpc() -> None:
    """Keeps gRPC's C core from writing to stderr by itself: what it would say comes as an error as well.

    Call it before gRPC is imported. GRPC_VERBOSITY in the environment wins.
    """
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")


def _configure(level: str, handlers: dict[logging.Handler, str]) -> None:
    import structlog

    from quarterdeck.common.telemetry import log_processors

    numeric = logging.getLevelName(level.upper())
    numeric = numeric if isinstance(numeric, int) else logging.INFO
    common = log_processors()
    for handler, form in handlers.items():
        handler.setFormatter(_formatter(form, common))
    root = logging.getLogger()
    root.handlers[:] = list(handlers)
    root.setLevel(max(numeric, logging.INFO))
    # A full disk must not bury the screen in complaints about the log itself.
    logging.raiseExceptions = False
    for noisy in ("httpx", "httpx2", "uvicorn", "mcp", "asyncio"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    structlog.configure(
        processors=[*common, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(numeric),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )


def _formatter(form: str, common: list[Any]) -> logging.Formatter:
    import structlog

    render: Any = (
        structlog.processors.JSONRenderer()
        if form == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=common,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, render],
    )
