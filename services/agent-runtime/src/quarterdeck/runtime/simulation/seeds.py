"""One seed: a cluster, clients, an adversary, and the verdict."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from quarterdeck.common import codec
from quarterdeck.runtime.simulation import ticking
from quarterdeck.runtime.simulation.adversary import Adversary, plan_for
from quarterdeck.runtime.simulation.aims import aim_of, lean
from quarterdeck.runtime.simulation.attendants import Attendants
from quarterdeck.runtime.simulation.await_points import Coverage
from quarterdeck.runtime.simulation.broker import Broker
from quarterdeck.runtime.simulation.cluster import Cluster
from quarterdeck.runtime.simulation.definitions import SPECS
from quarterdeck.runtime.simulation.hosts import EPOCH, SharedArtifacts, Surroundings
from quarterdeck.runtime.simulation.invariants import violations
from quarterdeck.runtime.simulation.ledger import Ledger
from quarterdeck.runtime.simulation.listening import Listening, unheard
from quarterdeck.runtime.simulation.loop import Runaway, SimulatedLoop
from quarterdeck.runtime.simulation.manager import Manager, Memories
from quarterdeck.runtime.simulation.operators import Operators
from quarterdeck.runtime.simulation.oracles import Oracles
from quarterdeck.runtime.simulation.orders import orders_for
from quarterdeck.runtime.simulation.people import People
from quarterdeck.runtime.simulation.processes import Process
from quarterdeck.runtime.simulation.requests import Requests
from quarterdeck.runtime.simulation.seen import journals
from quarterdeck.runtime.simulation.store import SharedStore
from quarterdeck.runtime.simulation.tools import Bank
from quarterdeck.runtime.simulation.tuning import tuned
from quarterdeck.runtime.store import definitions
from quarterdeck.runtime.testing.harness import TENANT

# Seconds, in virtual time, until everything must have come to rest once nothing goes wrong any more.
LONGEST_REST = 400.0
_UNREST = """
SELECT (SELECT count(*) FROM triggers WHERE wake_at IS NOT NULL) + count(*)
FROM runs r LEFT JOIN run_queue q ON q.run_id = r.run_id WHERE r.finished_at IS NULL AND NOT (
    r.name = 'forever' AND r.state = 'waiting' AND q.status = 'parked'
    AND NOT EXISTS (SELECT 1 FROM inbox i WHERE i.run_id = r.run_id)
)
"""


@dataclass(slots=True)
class Verdict:
    """What came of a seed."""

    seed: int
    problems: list[str] = field(default_factory=list)
    coverage: Coverage = field(default_factory=Coverage)
    faults: Counter[str] = field(default_factory=Counter)
    facts: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    log: list[str] = field(default_factory=list)


class Simulator:
    """Runs seeds one after the other, in one database.

    Args:
        trace: also keeps, in words, what happens.
    """

    def __init__(self, *, trace: bool = False) -> None:
        self._trace = trace
        self._store = SharedStore()
        self._closure = self._store.transact(_pin)

    def run(self, seed: int) -> Verdict:
        """Runs one seed to its end and judges it."""
        began = time.perf_counter()
        verdict = Verdict(seed)
        self._store.clear()
        seed_run = _Seed(verdict, self._store, self._closure, self._trace)
        with tuned():
            with Listening(verdict.problems, verdict.log if self._trace else None):
                seed_run.run()
            with Listening([], None):
                seed_run.bury()
        verdict.seconds = time.perf_counter() - began
        return verdict


def _pin(connection: Any) -> str:
    specs = []
    for key, spec in SPECS.items():
        kind, name = key.split("/")
        specs.append((f"{key}@{codec.digest(spec)[:12]}", kind, name, codec.dumps(spec)))
    return definitions.save_closure(connection, TENANT.id, ("Workflow", "chain"), specs)


class _Seed:
    def __init__(self, verdict: Verdict, store: SharedStore, closure: str, trace: bool) -> None:
        seed = verdict.seed
        self._verdict = verdict
        self._store = store
        chance = random.Random(f"{seed}/plan")
        self._loop = SimulatedLoop(  # type: ignore[abstract]  # what is missing is not needed
            random.Random(f"{seed}/order"), scramble=chance.random() < 0.5
        )
        aim = aim_of(seed)
        self._adversary = Adversary(
            random.Random(f"{seed}/faults"), plan_for(chance, aim), verdict.coverage, aim=aim
        )
        self._ledger = Ledger()
        self._oracles = Oracles(
            store,
            lambda: self._cluster.hosts,
            verdict.problems,
            self._intended,
        )
        self._manager = Manager(
            self._loop, self._adversary, Bank(self._ledger), self._oracles.call, verdict.problems
        )
        self.around = around = Surroundings(
            self._loop,
            random.Random(f"{seed}/ids"),
            self._adversary,
            store,
            Broker(self._loop, self._adversary),
            self._manager,
            Memories(),
            SharedArtifacts(self._loop, self._adversary),
            self._oracles.witness,
        )
        self._log: Callable[[str], None] = self._note if trace else lambda _text: None
        self._adversary.note = self._note_operation if trace else None
        self._cluster = Cluster(around, chance.choice((3, 3, 4)), self._log)
        orders = orders_for(random.Random(f"{seed}/orders"))
        lean(orders, aim, random.Random(f"{seed}/lean"))
        requests, process = Requests(around, self._cluster), self._loop.new_process("people")
        self._people = People(around, requests, closure, orders, process)
        self._operators = Operators(around, requests, process, random.Random(f"{seed}/operators"))
        self._attendants = Attendants(around, requests, self._ledger, process, verdict.problems)
        self._window = chance.uniform(6.0, 20.0)
        self._plan_chance = chance

    def _intended(self, process: Process) -> None:
        self._cluster.intended(process)

    def _note(self, text: str) -> None:
        self._verdict.log.append(f"{self._loop.time():10.4f} {text}")

    def _note_operation(self, text: str) -> None:
        self._note(f"{self._loop.current.name}: {text}")

    def run(self) -> None:
        """Runs it and looks at what came of it."""
        self._store.transact(ticking.declare, random.Random(f"{self._verdict.seed}/triggers"), EPOCH)
        self._people.begin()
        self._attendants.begin()
        self._operators.begin()
        self._schedule()
        try:
            self._loop.run()
        except Runaway as error:
            self._verdict.problems.append(str(error))
        self._judge()

    def bury(self) -> None:
        """Lets go of what never ended."""
        tasks = [task for process in self._loop.processes for task in process.tasks]
        self._loop.bury(tasks + self._cluster.graveyard)

    def _schedule(self) -> None:
        """Sets the times at which something strikes from outside, and the end of it."""
        chance, plan, loop = self._plan_chance, self._adversary.plan, self._loop
        for _ in range(int(chance.random() * 4 * plan.hosts)):
            loop.world_later(chance.uniform(0.0, self._window), self._cluster.strike_any)
        for _ in range(int(chance.random() * 3.5 * plan.peers)):
            away = chance.choice((0.1, 1.0, 5.0))
            loop.world_later(chance.uniform(0.1, self._window), self._manager.die, away)
        loop.world_later(self._window, self._heal)

    def _heal(self) -> None:
        self._log("nothing goes wrong any more")
        self._cluster.heal()
        self._rest()

    def _rest(self) -> None:
        """Stops when everything is at rest, or when that has taken too long."""
        if self._is_at_rest() or self._loop.time() > self._window + LONGEST_REST:
            self._loop.stop()
        else:
            self._loop.world_later(0.5, self._rest)

    def _is_at_rest(self) -> bool:
        started = all(order.run_id or order.was_refused for order in self._people.orders)
        return started and self._store.rows(_UNREST)[0][0] == 0

    def _judge(self) -> None:
        verdict = self._verdict
        verdict.problems += self._loop.problems
        verdict.problems += unheard([*(host.process for host in self._cluster.hosts), self._people.process])
        verdict.problems += violations(self._store, self._ledger, self._people.orders, self._manager.deaths)
        verdict.problems += ticking.violations(self._store)
        if verdict.problems and self._adversary.note is not None:
            verdict.log += journals(self._store, verdict.problems)
        verdict.faults = self._adversary.counts
        verdict.faults["manager-dies"] = self._manager.deaths
        verdict.facts.update(
            steps=self._loop.steps,
            virtual_seconds=int(self._loop.time()),
            commits=self._oracles.commits,
            fenced=self._oracles.fenced,
            effects=len(self._ledger.entries),
            uncertain=self._manager.uncertain,
            quarantined=self._attendants.quarantined,
            runs=self._store.rows("SELECT count(*) FROM runs")[0][0],
        )
