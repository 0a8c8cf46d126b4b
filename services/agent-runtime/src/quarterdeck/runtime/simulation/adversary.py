"""Who decides what goes wrong, and when. Everything follows from the seed.

Faults strike until `quiet` is called; after that the world is as it should be, and everything that was
accepted has to come to its end.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from quarterdeck.runtime.simulation.aims import LATE_CALLS, NOTHING, RARE, Aim
from quarterdeck.runtime.simulation.await_points import Coverage, point_of_caller

# What can strike a whole process, at any of its await points.
CRASH, STALL, JUMP, DRAIN = "crash", "stall", "clock-jump", "drain"
HOST_FAULTS = (CRASH, STALL, JUMP, DRAIN)
# What can become of a transaction: refused; done, and the answer lost; refused, and done later; late.
FAIL, LOST, ZOMBIE, HANG = "db-fails", "db-reply-lost", "db-done-after-error", "db-hangs"
WRITE_FAULTS = (FAIL, LOST, ZOMBIE, HANG)
READ_FAULTS = (FAIL, HANG)
# What can become of a message, and of a publication.
DROP, DOUBLE, DELAY, REFUSE = "bus-lost", "bus-doubled", "bus-reordered", "bus-refuses"
BUS_FAULTS = (DROP, DOUBLE, DELAY, REFUSE)
# What can become of a call to another service: not delivered; done, and the answer lost; answered late.
UNREACHED, UNANSWERED, SLOW = "peer-unreachable", "peer-reply-lost", "peer-slow"
PEER_FAULTS = (UNREACHED, UNANSWERED, SLOW)

# Chance per operation at intensity 1.
_WRITE = ((FAIL, 0.02), (LOST, 0.02), (ZOMBIE, 0.01), (HANG, 0.015))
_READ = ((FAIL, 0.02), (HANG, 0.015))
_BUS = ((DROP, 0.10), (DOUBLE, 0.10), (DELAY, 0.10), (REFUSE, 0.03))
_PEER = ((UNREACHED, 0.04), (UNANSWERED, 0.04), (SLOW, 0.03))
# How much likelier all that is the first time at one place; places that are seldom reached are not forgotten.
_FIRST = 4.0
# Chance that a process is struck when it comes to a place for the first time in a seed, while it waits there
# for something; and where it waits for next to nothing, so that it is hardly ever struck by chance. It falls
# with the square of the visits, so that common places do not use up what there is to strike.
_STRUCK_WAITING = 0.04
_STRUCK_FLEETING = 0.3
# Chance that a process is frozen when an intent of it is durable and the call is not made.
_BEFORE_CALL = 0.01
# Chance that a run is locked by somebody else when several are appended to at once.
_BUSY = 0.03
# How much more often places are struck that few runs ever come to.
_RARELY = 15.0
# Chance that what a seed aims at is struck at the first visits, and after how many it is half of that.
_AIMED, _AIMED_VISITS = 0.5, 10.0
_BEFORE_LATE_CALL = 0.08
_INTENSITIES = (0.0, 0.3, 1.0, 1.0, 2.0)

Odds = tuple[tuple[str, float], ...]


@dataclass(slots=True)
class Plan:
    """How hostile one seed is: intensities by family, 0 for none."""

    hosts: float
    database: float
    bus: float
    peers: float
    host_faults: tuple[str, ...] = HOST_FAULTS


def plan_for(chance: random.Random, aim: Aim) -> Plan:
    """Chooses which families of faults a seed has, and how bad they are; one that aims has all of them."""
    if aim.at == LATE_CALLS:  # who is frozen has to come back
        return Plan(1.0, 0.3, 0.3, 0.3, (STALL,))
    if aim.at:
        return Plan(1.0, 1.0, 1.0, 1.0)
    if chance.random() < 0.02:
        return Plan(0.0, 0.0, 0.0, 0.0)
    hosts, database, bus, peers = (chance.choice(_INTENSITIES) for _ in range(4))
    kinds = tuple(kind for kind in HOST_FAULTS if chance.random() < 0.75) or HOST_FAULTS
    return Plan(hosts, database, bus, peers, kinds)


@dataclass(slots=True)
class Adversary:
    """Chooses the fate of every operation, and when a process is struck.

    Args:
        strike: called to strike the process that runs now with a fault of a whole process.
        note: told of every operation and its fate, in words, if anybody wants to know.
    """

    chance: random.Random
    plan: Plan
    coverage: Coverage
    strike: Callable[[str], None] = lambda _fault: None
    note: Callable[[str], None] | None = None
    aim: Aim = NOTHING
    counts: Counter[str] = field(default_factory=Counter)
    is_quiet: bool = False
    _visits: Counter[str] = field(default_factory=Counter)

    def quiet(self) -> None:
        """No more faults."""
        self.is_quiet = True

    def delay(self) -> float:
        """Returns the seconds that an operation takes when nothing is wrong."""
        return 0.0005 + 0.004 * self.chance.random()

    def long_delay(self) -> float:
        """Returns the seconds that something takes that is late: up to well past a lease."""
        return float(self.chance.choice((0.05, 0.5, 2.0, 6.0, 14.0))) * (0.5 + self.chance.random())

    def write(self, name: str) -> str:
        """Returns the fate of a write, empty if all is well."""
        return self._fate(_WRITE, self.plan.database, f"write {name}")

    def read(self, name: str) -> str:
        """Returns the fate of a read."""
        return self._fate(_READ, self.plan.database, f"read {name}")

    def message(self) -> str:
        """Returns the fate of a message."""
        return self._fate(_BUS, self.plan.bus, "publish")

    def call(self, name: str) -> str:
        """Returns the fate of a call to a peer."""
        return self._fate(_PEER, self.plan.peers, f"call {name}")

    def _fate(self, odds: Odds, intensity: float, operation: str) -> str:
        fate = self._chosen(odds, intensity, operation)
        if self.note is not None:
            self.note(f"{operation} {fate}")
        return fate

    def _chosen(self, odds: Odds, intensity: float, operation: str) -> str:
        if self.is_quiet or not intensity:
            return ""
        point = point_of_caller()
        where = f"{operation} at {point}"
        self._visits[where] += 1
        fate = self._rolled(odds, intensity, point, self._visits[where])
        if fate:
            self.counts[fate] += 1
            if point is not None:
                self.coverage.strike(fate, (point,))
        return fate

    def _rolled(self, odds: Odds, intensity: float, point: str | None, visits: int) -> str:
        if self.aim.is_at(point) and self.chance.random() < _aimed(visits):
            return self.chance.choice(odds)[0]
        roll = self.chance.random() / (intensity * (1.0 + _FIRST / visits))
        for fate, likely in odds:
            if roll < likely:
                return fate
            roll -= likely
        return ""

    def is_busy(self) -> bool:
        """Returns whether somebody else has locked a run that is to be appended to."""
        return not self.is_quiet and self.chance.random() < _BUSY * self.plan.database

    def freezes_before_call(self) -> bool:
        """Returns whether a process is frozen between the intent and the call of a tool."""
        if self.is_quiet or STALL not in self.plan.host_faults:
            return False
        likely = _BEFORE_LATE_CALL if self.aim.at == LATE_CALLS else _BEFORE_CALL * self.plan.hosts
        return self.chance.random() < likely

    def at_point(self, point: str, *, fleeting: bool) -> None:
        """A task was suspended there: strikes its process perhaps, at rare places as readily as at others."""
        if self.is_quiet or not self.plan.hosts:
            return
        self._visits[point] += 1
        if self.chance.random() < self._likely(point, fleeting=fleeting):
            self.strike(self.chance.choice(self.plan.host_faults))

    def _likely(self, point: str, *, fleeting: bool) -> float:
        visits = self._visits[point]
        if self.aim.is_at(point):
            return _aimed(visits)
        likely = _STRUCK_FLEETING if fleeting else _STRUCK_WAITING
        likely *= _RARELY if point.startswith(RARE) else 1.0
        return likely * self.plan.hosts / visits**2


def _aimed(visits: int) -> float:
    """Returns the chance that what is aimed at is struck: it falls, so that runs get past it."""
    return _AIMED / (1.0 + visits / _AIMED_VISITS)
