"""The parts of the test kit: skipped time, matching, scripts."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from quarterdeck.common.database import open_database
from quarterdeck.runtime.tables import METADATA
from quarterdeck.runtime.testing.harness import Harness
from quarterdeck.runtime.testing.matching import MISSING, Difference, differences, fits
from quarterdeck.runtime.testing.scripts import Script
from quarterdeck.runtime.testing.skipping import MOST_MOVES, Restless, Skipper
from quarterdeck.runtime.testing.virtual_time import (
    QuietLoop,
    VirtualClock,
    WatchedDatabase,
    quiet_loop,
    run_quietly,
)

FOREVER = {
    "nodes": [
        {"name": "a", "wait": {"duration": "1h"}, "next": [{"to": "b"}], "maxVisits": 100_000},
        {"name": "b", "transform": {"output": 1}, "next": [{"to": "a"}]},
    ]
}


@pytest.mark.parametrize(
    ("expected", "actual"),
    [
        (1, 1.0),
        (1.0, 1),
        (0.3, 0.1 + 0.2),
        ({}, {"a": 1}),
        ({"a": {"b": [1, {"c": 2}]}}, {"a": {"b": [1, {"c": 2, "d": 3}], "e": 4}}),
        ([], []),
        (None, None),
        ("a", "a"),
    ],
)
def test_a_value_that_holds_at_least_what_is_expected_fits(expected: Any, actual: Any) -> None:
    assert fits(expected, actual)


@pytest.mark.parametrize(
    ("expected", "actual", "path"),
    [
        (1, True, ""),
        (True, 1, ""),
        (0, None, ""),
        ("1", 1, ""),
        ([1], "1", ""),
        ({"a": 1}, [1], ""),
        ({"a": {"b": 1}}, {"a": {"b": 2}}, ".a.b"),
        ({"a": [1, 2]}, {"a": [1]}, ".a[1]"),
        ({"a": [1]}, {"a": [1, 2]}, ".a[1]"),
        ({"a b": 1}, {}, "['a b']"),
    ],
)
def test_where_a_value_differs_is_said(expected: Any, actual: Any, path: str) -> None:
    assert [found.path for found in differences(expected, actual)] == [path]


def test_a_missing_field_is_not_null() -> None:
    assert list(differences({"a": None}, {})) == [Difference(".a", None, MISSING)]


def test_entries_are_given_in_order_and_the_only_one_for_ever() -> None:
    script = Script([("a", 1), ("a", 2), ("b", 3)])

    def about(name: str) -> tuple[str, int] | None:
        return script.next(lambda entry: entry[0] == name)

    assert [about("a"), about("a"), about("a")] == [("a", 1), ("a", 2), None]
    assert [about("b"), about("b"), about("c")] == [("b", 3), ("b", 3), None]


def test_sleepers_wake_when_the_clock_is_moved() -> None:
    async def main() -> list[float]:
        clock, woken = VirtualClock(100.0), list[float]()

        async def sleeper(seconds: float) -> None:
            await clock.sleep(seconds)
            woken.append(clock.now())

        tasks = [asyncio.create_task(sleeper(seconds)) for seconds in (30, 10, 20, 0)]
        await quiet_loop().quiet()
        assert woken == [100.0]
        while (alarm := clock.next_alarm()) is not None:
            clock.move_to(alarm)
            await quiet_loop().quiet()
        await asyncio.gather(*tasks)
        return woken

    assert run_quietly(main()) == [100.0, 110.0, 120.0, 130.0]


def test_a_cancelled_sleeper_is_forgotten() -> None:
    async def main() -> float | None:
        clock = VirtualClock(0.0)
        task = asyncio.create_task(clock.sleep(10))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return clock.next_alarm()

    assert run_quietly(main()) is None


def test_a_loop_is_not_quiet_while_a_thread_works() -> None:
    async def main() -> bool:
        work = asyncio.create_task(asyncio.to_thread(time.sleep, 0.05))
        await quiet_loop().quiet()
        return work.done()

    assert run_quietly(main())


def test_a_loop_is_quiet_while_its_own_timers_run() -> None:
    async def main() -> float:
        heartbeat = asyncio.create_task(asyncio.sleep(60))
        began = time.perf_counter()
        await quiet_loop().quiet()
        heartbeat.cancel()
        return time.perf_counter() - began

    assert run_quietly(main()) < 5


def test_time_is_skipped_on_a_quiet_loop_only() -> None:
    async def main() -> None:
        quiet_loop()

    with pytest.raises(TypeError, match="run_quietly"):
        asyncio.run(main())


def test_a_run_that_never_rests_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("quarterdeck.runtime.testing.skipping.MOST_MOVES", 20)
    assert MOST_MOVES > 20

    async def main() -> float:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, QuietLoop)
        database = await open_database(f"sqlite:///{tmp_path / 'r.db'}", METADATA)
        clock = VirtualClock(0.0)
        harness = Harness(
            tmp_path,
            specs={"Workflow/w": FOREVER},
            clock=clock,
            database=WatchedDatabase(database, loop),
        )
        async with harness:
            run_id = await harness.start("Workflow", "w")
            with pytest.raises(Restless, match="still goes on"):
                await Skipper(harness, clock).until_rest(run_id)
        return clock.now()

    assert run_quietly(main()) == pytest.approx(20 * 3600)
