"""Kills of a running demo: when, how, and what the ledger says afterwards."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

from e2e_kit.demo import Demo
from e2e_kit.ledger import Books, bookings_made, unrecorded_bookings
from e2e_kit.process import Child, kill_everything

PLACED, RANDOM = "commit-outcome", "random"
# Not more: a run that was taken up three times without getting on is set aside for a person, since it may
# be what kills its worker. Four kills in a row, seconds apart, look just like that.
KILLS_PER_RUN = 2
# A kill that came too late is drawn again so often, each time for half the time.
MOST_DRAWS = 6
# Before a process has loaded its first module there is nothing to interrupt; what it does after the
# result has been told is no part of the run. Seconds; share of an undisturbed demo's time.
FIRST_MOMENT, LAST_MOMENT = 0.2, 0.85

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Kill:
    """A kill that is to happen.

    Args:
        number: 1 and up.
        place: PLACED (a booking is committed, its outcome is not recorded) or RANDOM.
        whole: every process of the platform at once; else its main process alone.
        share: of the bookings that are still to be made, or of the time that the demo takes; 0 to 1.
        draws: how often it was drawn.
    """

    number: int
    place: str
    whole: bool
    share: float
    draws: int = 1


@dataclass(frozen=True, slots=True)
class Struck:
    """A kill that happened.

    Args:
        kill: as it was drawn.
        run: which demo it hit, 1 and up.
        seconds: after the start of the process.
        processes: how many were killed.
        booked: bookings in the ledger at that moment.
        unrecorded: of these, the ones without a recorded outcome.
        same: the demo finished later with the expected ledger.
        problem: what was wrong, for people; empty when nothing was.
    """

    kill: Kill
    run: int
    seconds: float
    processes: int
    booked: int
    unrecorded: int
    same: bool = False
    problem: str = ""

    @property
    def well_placed(self) -> bool:
        """True unless it was to hit between commit and outcome and did not."""
        return self.kill.place == RANDOM or self.unrecorded > 0


def draw_kills(count: int, seed: int) -> list[Kill]:
    """Returns kills in any order, half of them placed; every third leaves the tool servers to notice."""
    chance = Random(seed)
    places = [PLACED, RANDOM] * (count // 2) + [PLACED] * (count % 2)
    chance.shuffle(places)
    return [Kill(number, place, number % 3 != 0, chance.random()) for number, place in enumerate(places, 1)]


class Campaign:
    """Runs demos and kills them.

    Args:
        folder: for the demos' folders.
        month: the month that is matched.
        expected: the ledger that must come out.
        seconds: what an uninterrupted demo takes.
        say: told about each kill and each end.
    """

    def __init__(self, folder: Path, month: Path, expected: Books, seconds: float, say: Say) -> None:
        self._folder = folder
        self._month = month
        self._expected = expected
        self._seconds = seconds
        self._say = say

    def carry_out(self, kills: Sequence[Kill]) -> list[Struck]:
        """Returns every kill as it happened. Raises AssertionError if one never finds its moment."""
        waiting, struck = list(kills), list[Struck]()
        for run in itertools.count(1):
            if not waiting:
                return sorted(struck, key=lambda one: one.kill.number)
            now, waiting = waiting[:KILLS_PER_RUN], waiting[KILLS_PER_RUN:]
            happened = self._one_run(run, now)
            struck += happened
            missed = [kill for kill in now if kill not in [one.kill for one in happened]]
            waiting += [drawn_again(kill) for kill in missed]
        raise AssertionError("not reached")

    def _one_run(self, run: int, kills: Sequence[Kill]) -> list[Struck]:
        demo = Demo(self._folder / f"run-{run}", self._month)
        struck = [one for kill in kills if (one := self._strike(demo, run, kill)) is not None]
        problem = self._problem(demo)
        self._say(f"  run {run} finished: {problem or 'the same ledger'}")
        return [replace(one, same=not problem, problem=problem) for one in struck]

    def _problem(self, demo: Demo) -> str:
        try:
            found = demo.finish()
        except AssertionError as error:
            return str(error)
        return "" if found == self._expected else difference(self._expected, found)

    def _strike(self, demo: Demo, run: int, kill: Kill) -> Struck | None:
        """Starts the demo, waits for the moment, kills. Returns None if the demo ended before."""
        with demo.started() as child:
            began = time.monotonic()
            if not self._wait_for_moment(demo, child, kill):
                return None
            seconds = time.monotonic() - began
            processes = kill_everything([child]) if kill.whole else 1
            if not kill.whole:
                child.kill_alone()
            booked, unrecorded = bookings_made(demo.ledger), unrecorded_bookings(demo.data_dir)
        found = Struck(kill, run, seconds, processes, booked, unrecorded)
        self._say(f"  kill {kill.number}: {describe(found)}")
        return found

    def _wait_for_moment(self, demo: Demo, child: Child, kill: Kill) -> bool:
        came = self._moments(demo, kill)
        while not next(came):
            if not child.running:
                return False
            pause_briefly()
        return child.running

    def _time_left(self, demo: Demo) -> float:
        """Returns about how long the next start works: reading the invoices is half of it."""
        done = bookings_made(demo.ledger) / self._expected.bookings
        return self._seconds * LAST_MOMENT * (1 - done / 2 if done else 1)

    def _moments(self, demo: Demo, kill: Kill) -> Iterator[bool]:
        """Yields False until the moment has come."""
        if kill.place == PLACED:
            done = bookings_made(demo.ledger)
            left = self._expected.bookings - done
            target = done + 1 + int(kill.share * max(left - 1, 0))
            while True:
                yield demo.just_committed() >= target
        due = time.monotonic() + FIRST_MOMENT + kill.share * self._time_left(demo)
        while True:
            yield time.monotonic() >= due


def drawn_again(kill: Kill) -> Kill:
    """Returns a kill that missed, for an earlier moment of another demo."""
    assert kill.draws < MOST_DRAWS, f"kill {kill.number} found its demo finished {kill.draws} times"
    return replace(kill, share=kill.share / 2, draws=kill.draws + 1)


def difference(expected: Books, found: Books) -> str:
    """Says in words how two ledgers differ."""
    return (
        f"another ledger: {found.bookings} bookings instead of {expected.bookings};"
        f" more: {sorted(set(found.lines) - set(expected.lines))[:5]};"
        f" missing: {sorted(set(expected.lines) - set(found.lines))[:5]};"
        f" waiting: {set(expected.waiting) ^ set(found.waiting)}"
    )


def describe(one: Struck) -> str:
    """Says in a line what was killed, when, and what was going on."""
    what = f"{one.processes} processes" if one.kill.whole else "the platform's process alone"
    return (
        f"{what} after {one.seconds:.1f} s with {one.booked} bookings,"
        f" {one.unrecorded} between commit and outcome"
    )


def pause_briefly() -> None:
    """Waits a little; a moment between commit and outcome is a quarter of a second."""
    time.sleep(0.005)
