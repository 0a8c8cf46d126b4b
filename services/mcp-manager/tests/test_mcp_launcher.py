from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
import uvloop

from quarterdeck.mcp import incarnation, launcher
from quarterdeck.mcp.environment import server_environment
from quarterdeck.mcp.process import Command, ServerProcess, describe_exit, start

NASTY = Path(__file__).parent / "servers" / "nasty.py"


pytestmark = pytest.mark.filterwarnings("ignore:Overriding the .event_loop_policy.")


@pytest.fixture(params=[asyncio.DefaultEventLoopPolicy, uvloop.EventLoopPolicy], ids=["asyncio", "uvloop"])
def event_loop_policy(request: pytest.FixtureRequest) -> asyncio.AbstractEventLoopPolicy:
    """Pipes and child processes differ between loops, so everything here runs on both."""
    made: asyncio.AbstractEventLoopPolicy = request.param()
    return made


def command(tmp_path: Path, *arguments: str, directory: Path | None = None) -> Command:
    return Command(arguments, server_environment(os.environ, {}), directory, tmp_path)


async def run(tmp_path: Path, *arguments: str) -> tuple[ServerProcess, bytearray]:
    errors = bytearray()
    return await start(command(tmp_path, *arguments), errors.extend), errors


async def read_all(process: ServerProcess) -> bytes:
    data = b""
    while chunk := await process.read():
        data += chunk
    return data


def names(directory: Path) -> list[str]:
    return [path.name for path in directory.iterdir()]


async def eventually(condition: Callable[[], bool], within: float = 5.0) -> None:
    until = time.monotonic() + within
    while not condition():
        assert time.monotonic() < until, "it did not happen in time"
        await asyncio.sleep(0.01)


async def test_streams_are_the_servers_own_and_its_status_is_passed_on(tmp_path: Path) -> None:
    code = "import sys; sys.stderr.write('oops'); print(sys.stdin.readline().upper()); sys.exit(7)"
    process, errors = await run(tmp_path, sys.executable, "-c", code)
    process.write(b"hello\n")
    assert (await read_all(process)).strip() == b"HELLO"
    assert await process.exited == 7
    assert errors == b"oops"
    assert incarnation.is_dead(tmp_path, process.incarnation)


async def test_death_by_a_signal_is_told(tmp_path: Path) -> None:
    process, _ = await run(tmp_path, sys.executable, "-c", "import os; os.kill(os.getpid(), 9)")
    assert describe_exit(await process.exited) == "was killed by SIGKILL"


async def test_a_command_that_does_not_exist_is_named(tmp_path: Path) -> None:
    process, errors = await run(tmp_path, "no-such-program")
    assert await process.exited == launcher.CANNOT_START
    assert b"cannot start 'no-such-program': No such file or directory" in errors


async def test_a_missing_directory_is_an_error_and_leaves_no_lock(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        await start(command(tmp_path, "true", directory=tmp_path / "gone"), lambda _: None)
    assert names(tmp_path) == []


async def test_a_server_that_ends_when_its_input_closes_is_not_signalled(tmp_path: Path) -> None:
    code = "import sys; sys.stdin.read(); sys.exit(5)"
    process, _ = await run(tmp_path, sys.executable, "-c", code)
    assert await process.stop() == 5


async def test_a_server_that_waits_for_its_output_to_be_taken_can_end(tmp_path: Path) -> None:
    code = "import sys; sys.stdout.write('x' * 30_000_000); sys.stdin.read(); sys.exit(6)"
    process, _ = await run(tmp_path, sys.executable, "-c", code)
    await process.read()
    await asyncio.sleep(0.2)
    assert await process.stop(grace=5) == 6


async def test_one_that_ignores_everything_is_killed(tmp_path: Path) -> None:
    ignoring = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN)"
    code = ignoring + "; print('up', flush=True); time.sleep(600)"
    process, _ = await run(tmp_path, sys.executable, "-c", code)
    await process.read()
    began = time.monotonic()
    assert describe_exit(await process.stop(grace=0.1)) == "was killed by SIGKILL"
    assert time.monotonic() - began < 4
    assert incarnation.is_dead(tmp_path, process.incarnation)


async def spawn_tree(process: ServerProcess) -> list[psutil.Process]:
    call = {"id": 1, "method": "tools/call", "params": {"name": "grandchildren", "arguments": {}}}
    process.write(json.dumps(call).encode() + b"\n")
    await process.read()
    return psutil.Process(process.pid).children(recursive=True)


async def test_the_whole_tree_ends_with_the_server(tmp_path: Path) -> None:
    process, _ = await run(tmp_path, sys.executable, str(NASTY))
    tree = await spawn_tree(process)
    assert len(tree) == 5, "the server, two children and two grandchildren"
    await process.stop()
    assert [one for one in tree if one.is_running() and one.status() != psutil.STATUS_ZOMBIE] == []


async def test_what_a_crashed_server_leaves_behind_is_ended_too(tmp_path: Path) -> None:
    process, _ = await run(tmp_path, sys.executable, str(NASTY))
    tree = await spawn_tree(process)
    os.kill(next(one.pid for one in tree if one.ppid() == process.pid), signal.SIGKILL)
    assert describe_exit(await process.exited) == "was killed by SIGKILL"
    assert not any(one.is_running() for one in tree)
    await process.stop()


MANAGER = """
import asyncio, json, os, sys
from pathlib import Path
from quarterdeck.mcp.process import Command, start
async def main():
    command = Command((sys.executable, sys.argv[1]), dict(os.environ), None, Path(sys.argv[2]))
    process = await start(command, lambda _: None)
    process.write(b'{"id": 1, "method": "tools/call", "params": {"name": "grandchildren"}}\\n')
    await process.read()
    print(json.dumps([process.pid, process.incarnation]), flush=True)
    await asyncio.sleep(600)
asyncio.run(main())
"""


async def test_nothing_survives_a_killed_manager_and_the_lock_says_so(tmp_path: Path) -> None:
    arguments = (sys.executable, "-c", MANAGER, str(NASTY), str(tmp_path))
    manager = await asyncio.create_subprocess_exec(*arguments, stdout=subprocess.PIPE)
    assert manager.stdout is not None
    pid, name = json.loads(await manager.stdout.readline())
    tree = psutil.Process(pid).children(recursive=True)
    assert len(tree) == 5
    assert not incarnation.is_dead(tmp_path, name)
    manager.kill()
    await manager.wait()
    await eventually(lambda: not any(one.is_running() for one in tree))
    await eventually(lambda: incarnation.is_dead(tmp_path, name))
    assert incarnation.sweep(tmp_path) == []


def test_processes_are_read_from_ps_where_there_is_no_proc(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ps = tmp_path / "ps"
    lines = ["'  1 0 Ss'", "' 20 1 S+'", "' 21 20 Z'", "' 22 20 R'", '"$$ 20 R"']
    ps.write_text("#!/bin/sh\n" + "".join(f"echo {line}\n" for line in lines))
    ps.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert launcher.parents_from_ps() == {1: 0, 20: 1, 22: 20}


def test_proc_knows_us_and_our_parent() -> None:
    assert launcher.parents_from_proc()[os.getpid()] == os.getppid()


def test_descendants_are_found_at_any_depth() -> None:
    assert launcher.descendants(1, {2: 1, 3: 2, 4: 3, 5: 9, 9: 0}) == {2, 3, 4}


def test_a_server_sees_little_of_our_environment() -> None:
    seen = server_environment({"HOME": "/h", "ANTHROPIC_API_KEY": "k", "PATH": "/bin"}, {"A": "1"})
    assert seen == {"HOME": "/h", "A": "1", "PATH": f"{Path(sys.executable).parent}:/bin"}
