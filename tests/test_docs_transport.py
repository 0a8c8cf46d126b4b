"""The commands of docs/transport.md do what it says."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path

from hack.services.server import free_port

PAGE = Path(__file__).parents[1] / "docs" / "transport.md"
QD = f'qd() {{ {sys.executable} -m quarterdeck.cli.main "$@"; }}'


def test_a_service_serves_with_the_certificates_of_the_page(tmp_path: Path) -> None:
    found = re.search(r"```\n(qd certs.*?)```", PAGE.read_text(), re.S)
    assert found is not None
    port = free_port()
    script = f"{QD}\nexport QD_DATA_DIR=data\n{found[1]}".replace("8501", str(port))
    script = script.replace("qd serve registry", "qd serve registry --management-port 0")
    with subprocess.Popen(
        ["bash", "-c", script], cwd=tmp_path, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as shell:
        assert shell.stderr is not None
        said = [shell.stderr.readline() for _ in range(2)]
        subprocess.run(["kill", f"-{signal.SIGTERM}", "--", f"-{shell.pid}"], check=True)
        said.append(shell.stderr.read())
    assert said[0].strip() == f"registry serves 127.0.0.1:{port}", said
