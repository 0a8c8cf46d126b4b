"""`qd up`, that writes down what it had imported when /health first answered 200, then stops.

The names come in the order of their import, one a line. Nothing is imported for the sake of
looking that the platform does not import itself.

    python bench/sides/cold_start.py DATA_DIRECTORY FILE
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path


def status(data_dir: Path) -> str:
    """Returns the status line of /health, empty while nobody listens."""
    try:
        host, port = json.loads((data_dir / "endpoint.json").read_text())["url"].split("//")[1].split(":")
        with socket.create_connection((host, int(port)), timeout=5) as connection:
            connection.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            return connection.recv(64).split(b"\r\n")[0].decode()
    except (OSError, ValueError):
        return ""


def look(data_dir: Path, file: Path) -> None:
    """Waits for health, writes the list, and asks this process to stop."""
    while " 200 " not in status(data_dir):
        time.sleep(0.01)
    file.write_text("\n".join(sys.modules))
    os.kill(os.getpid(), signal.SIGTERM)


def main() -> None:
    """Starts the platform in this process."""
    data_dir, file = Path(sys.argv[1]), Path(sys.argv[2])
    os.environ["QD_DATA_DIR"] = str(data_dir)
    sys.argv = ["qd", "up", "--port", "0", "--grpc-port", "0"]
    threading.Thread(target=look, args=(data_dir, file), daemon=True).start()
    from quarterdeck.cli.main import main as qd

    qd()


if __name__ == "__main__":
    main()
