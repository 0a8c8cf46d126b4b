"""What `qd doctor` says where each service has a process of its own."""

from __future__ import annotations

import os
from pathlib import Path

from quarterdeck.cli.checks import Level
from quarterdeck.cli.checks_platform import process_checks
from quarterdeck.cli.processes import ServiceProcess, listed, service_processes, this_process


def test_a_process_is_listed_while_it_serves(tmp_path: Path) -> None:
    mine = this_process("registry", "127.0.0.1", 8431)
    assert service_processes(tmp_path) == []
    with listed(tmp_path, mine):
        assert service_processes(tmp_path) == [mine]
        assert mine.health == "http://127.0.0.1:8431/health"
    assert service_processes(tmp_path) == []


def test_what_a_killed_process_left_is_not_believed(tmp_path: Path) -> None:
    gone = ServiceProcess("memory", 2**22 + 1, "http://127.0.0.1:1/health")
    with listed(tmp_path, gone):
        (tmp_path / "processes" / "broken-1.json").write_text("{")
        assert service_processes(tmp_path) == []
        with listed(tmp_path, this_process("memory", "127.0.0.1", 8434)):
            names = sorted(file.name for file in (tmp_path / "processes").iterdir())
            assert names == ["broken-1.json", f"memory-{os.getpid()}.json"]


def test_an_address_of_the_new_internet_stands_in_brackets() -> None:
    assert this_process("memory", "::1", 8434).health == "http://[::1]:8434/health"


def test_each_service_that_is_missing_or_silent_is_named(unused_tcp_port: int) -> None:
    silent = ServiceProcess("memory", os.getpid(), f"http://127.0.0.1:{unused_tcp_port}/health")
    found = {check.name: check for check in process_checks([silent])}
    assert set(found) == {"registry", "agent-runtime", "mcp-manager", "memory"}
    assert all(check.level is Level.BAD for check in found.values())
    assert f"process {os.getpid()} does not answer" in found["memory"].text
    assert "qd serve registry" in found["registry"].hint
