"""The bridge as a process: probes, signals, servers that die, memory that runs out."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx2
import pytest
from bridge_support import bridge, built, calling, greet
from mcp_support import NASTY

NASTY_COMMAND = (sys.executable, str(NASTY))
# Answers everything after a second.
SLOW = """
import json, sys, time
for line in sys.stdin:
    request = json.loads(line)
    time.sleep(1)
    print(json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": {"n": 1}}), flush=True)
"""


async def probe(url: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        str(built()), "probe", "-timeout", "20s", url, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate()
    return process.returncode or 0, said.decode().strip()


async def test_a_probe_leaves_no_session() -> None:
    async with bridge(*NASTY_COMMAND) as served:
        await served.until_ready()
        assert await probe(served.url) == (0, "")
        assert await probe(served.management + "/readyz") == (0, "")
        status = (await served.get("/status")).json()
        assert status["sessions"] == 0
        assert (await served.get("/metrics")).text.count("quarterdeck_bridge_sessions_total 1\n") == 1
        address = served.url
    code, said = await probe(address)
    assert code == 1
    assert "connection refused" in said


async def test_a_command_that_is_not_there_ends_the_bridge() -> None:
    process = await asyncio.create_subprocess_exec(
        str(built()), "serve", "--", "no-such-server", stderr=asyncio.subprocess.PIPE
    )
    _, said = await process.communicate()
    assert process.returncode == 127
    assert b"the image has no such command" in said


async def test_sigterm_finishes_what_is_under_way() -> None:
    async with bridge(sys.executable, "-c", SLOW, flags=("-check=false",)) as served:
        async with httpx2.AsyncClient(timeout=30) as client:
            headers = await greet(client, served)
            late = asyncio.create_task(client.post(served.url, json=calling("x"), headers=headers))
            await served.busy()
            served.terminate()
            assert (await late).json()["result"] == {"n": 1}
        assert await served.process.wait() == 0


CGROUPS = Path("/sys/fs/cgroup/memory")


@pytest.fixture
def small_memory(tmp_path: Path) -> Any:
    """A memory cgroup of 64 MiB, where this machine lets one be made."""
    own = next(
        (
            row.split(":", 2)[2]
            for row in Path("/proc/self/cgroup").read_text().splitlines()
            if ":memory:" in row
        ),
        None,
    )
    if os.geteuid() != 0 or own is None:
        pytest.skip("needs root and cgroup version 1")
    folder = CGROUPS / own.lstrip("/") / f"bridge-{os.getpid()}"
    folder.mkdir()
    (folder / "memory.limit_in_bytes").write_text(str(64 << 20))
    yield folder
    folder.rmdir()


async def test_running_out_of_memory_is_named(small_memory: Path) -> None:
    """The kernel kills the server alone: the bridge lives on and says why."""
    hungry = (
        "import json,sys\n"
        "for l in sys.stdin:\n"
        " r=json.loads(l)\n"
        " if r.get('method')=='tools/call': x=bytearray(200<<20)\n"
        " print(json.dumps({'jsonrpc':'2.0','id':r['id'],'result':{}}),flush=True)\n"
    )
    joined = f'echo $$ > {small_memory}/cgroup.procs; exec "$@"'
    async with AsyncExitStack() as stack:
        served = await stack.enter_async_context(
            bridge(sys.executable, "-c", hungry, flags=("-check=false",), through=("sh", "-c", joined, "sh"))
        )
        client = await stack.enter_async_context(httpx2.AsyncClient(timeout=30))
        headers = await greet(client, served)
        error = (await client.post(served.url, json=calling("x"), headers=headers)).json()["error"]
        assert error["code"] == -32953
        assert "ran out of memory (the limit is 64 MiB)" in error["message"]
        assert error["data"]["oomKilled"] is True
        assert (await served.get("/status")).json()["oomKills"] == 1


async def test_the_bridge_survives_its_servers_kill() -> None:
    async with (
        bridge(*NASTY_COMMAND, flags=("-check=false",)) as served,
        httpx2.AsyncClient(timeout=30) as client,
    ):
        headers = await greet(client, served)
        hanging = asyncio.create_task(client.post(served.url, json=calling("hang"), headers=headers))
        os.kill(await served.busy(), signal.SIGKILL)
        assert "was killed by SIGKILL" in (await hanging).json()["error"]["message"]
        again = await greet(client, served)
        echoed = await client.post(served.url, json=calling("echo", text="back"), headers=again)
        assert "back" in echoed.text


def test_the_program_is_small_and_static() -> None:
    data = built().read_bytes()
    assert len(data) <= 8 << 20
    assert b"ld-linux" not in data, "it must run in images without a C library"
