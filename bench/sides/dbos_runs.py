"""The peer: runs of five no-op steps in DBOS on PostgreSQL, or of none.

Runs in the environment .venv-bench, driven as `answers.py` says. A step is a function that DBOS knows as one:
its outcome is committed before the next begins. Workflows are called directly, without a queue, which is
DBOS's shortest way. Concurrency is threads (`sync`) or tasks of one event loop (`async`), and there are as
many database connections as DBOS may make use of.

    python bench/sides/dbos_runs.py sync|async POSTGRES_URL [steps|pure]
"""

from __future__ import annotations

import asyncio
import sys
from concurrent.futures import ThreadPoolExecutor

from answers import serve
from dbos import DBOS, DBOSConfig

STEPS = 5
CONNECTIONS = 50
THREADS = 160


@DBOS.step()
def noop(number: int) -> int:
    """The step."""
    return number


@DBOS.step()
async def async_noop(number: int) -> int:
    """The step, for the asynchronous workflow."""
    return number


@DBOS.workflow()
def five() -> int:
    """Five steps in a row."""
    return [noop(number) for number in range(STEPS)][-1]


@DBOS.workflow()
async def async_five() -> int:
    """Five steps in a row."""
    return [await async_noop(number) for number in range(STEPS)][-1]


@DBOS.workflow()
def pure() -> int:
    """Five things that are no steps."""
    return list(range(STEPS))[-1]


@DBOS.workflow()
async def async_pure() -> int:
    """Five things that are no steps."""
    return list(range(STEPS))[-1]


WORKFLOWS = {"steps": five, "pure": pure}
ASYNC_WORKFLOWS = {"steps": async_five, "pure": async_pure}


def check(result: int) -> None:
    """Refuses a run that did not do its work."""
    if result != STEPS - 1:
        raise RuntimeError(f"the run ended with {result}")


def launch(url: str) -> None:
    """Starts DBOS, its tables made, its log and its telemetry quiet."""
    config: DBOSConfig = {
        "name": "bench",
        "system_database_url": url,
        "sys_db_pool_size": CONNECTIONS,
        "max_executor_threads": THREADS,
        "log_level": "ERROR",
        "enable_otlp": False,
        "application_version": "1",
    }
    DBOS(config=config)
    DBOS.launch()


def threads(work: str, concurrency: int, runs: int) -> None:
    """Does `runs` runs on `concurrency` threads."""
    with ThreadPoolExecutor(concurrency) as pool:
        for result in pool.map(lambda _number: WORKFLOWS[work](), range(runs)):
            check(result)


async def tasks(work: str, concurrency: int, runs: int) -> None:
    """Does `runs` runs, `concurrency` at a time."""
    left = iter(range(runs))

    async def worker() -> None:
        for _number in left:
            check(await ASYNC_WORKFLOWS[work]())

    await asyncio.gather(*(worker() for _ in range(concurrency)))


def main(mode: str, url: str, work: str = "steps") -> None:
    """Serves measurements."""
    with asyncio.Runner() as runner:
        launch(url)
        if mode == "sync":
            serve(lambda concurrency, runs: threads(work, concurrency, runs))
        else:
            serve(lambda concurrency, runs: runner.run(tasks(work, concurrency, runs)))
        DBOS.destroy()


if __name__ == "__main__":
    main(*sys.argv[1:])
