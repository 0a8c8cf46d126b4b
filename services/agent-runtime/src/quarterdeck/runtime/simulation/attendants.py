"""Clients who look what there is to decide, to release and to resume, and do it."""

from __future__ import annotations

import asyncio
import random
from typing import Any

from quarterdeck.common import artifacts, codec
from quarterdeck.common.constants import INLINE_BYTES
from quarterdeck.common.errors import Conflict, FailedPrecondition, QuarterdeckError
from quarterdeck.runtime.approvals import deciding
from quarterdeck.runtime.constants import POISON_ALONE, POISON_ATTEMPTS
from quarterdeck.runtime.operations import deliveries
from quarterdeck.runtime.simulation.hosts import Host, Surroundings
from quarterdeck.runtime.simulation.ledger import Ledger
from quarterdeck.runtime.simulation.processes import Process
from quarterdeck.runtime.simulation.requests import Requests
from quarterdeck.runtime.simulation.tools import result_of
from quarterdeck.runtime.testing.harness import PRINCIPAL, TENANT

# Seconds between two looks at what there is to decide.
LOOK = 0.7
_APPROVALS = """
SELECT approval_id, source, data, summary FROM approvals WHERE state = 'open' AND policy != 'quick'
"""
_QUARANTINED = "SELECT run_id, attempts, alone FROM run_queue WHERE status = 'quarantined'"
# What a person is told who is asked about a call of a run that is about to end.
_STOPPING = "The run is stopping"
_PAUSED = "SELECT run_id FROM runs WHERE state = 'waiting' AND reason LIKE 'paused%'"


class Attendants:
    """Whoever is asked. They see the ledger, and nothing else that a client could not see."""

    def __init__(
        self,
        around: Surroundings,
        requests: Requests,
        ledger: Ledger,
        process: Process,
        problems: list[str],
    ) -> None:
        self.quarantined = 0
        self._around = around
        self._requests = requests
        self._ledger = ledger
        self._process = process
        self._problems = problems
        self._busy_with: set[str] = set()

    def begin(self) -> None:
        """Sets them to work."""
        loop = self._around.loop
        loop.on(self._process, lambda: loop.create_task(self._look()))

    async def _look(self) -> None:
        store = self._around.store
        while True:
            await asyncio.sleep(LOOK)
            for approval_id, source, data, summary in store.rows(_APPROVALS):
                if approval_id not in self._busy_with:
                    self._busy_with.add(approval_id)
                    self._around.loop.create_task(self._decide(approval_id, source, data, summary))
            for run_id, attempts, alone in store.rows(_QUARANTINED):
                if run_id not in self._busy_with:
                    self._busy_with.add(run_id)
                    by_the_rule = attempts >= POISON_ATTEMPTS and alone >= POISON_ALONE
                    self._around.loop.create_task(self._release(run_id, by_the_rule))
            if self._around.adversary.is_quiet:
                await self._resume_forgotten()

    async def _resume_forgotten(self) -> None:
        """A request to pause whose answer was lost may have been made after the request to resume."""
        for (run_id,) in self._around.store.rows(_PAUSED):
            if run_id not in self._busy_with:
                self._busy_with.add(run_id)
                await self._requests.do(run_id, deliveries.resume, {"by": PRINCIPAL.subject})
                self._busy_with.discard(run_id)

    async def _decide(self, approval_id: str, source: str, data: bytes, summary: str) -> None:
        chance = random.Random(approval_id)
        await asyncio.sleep(2.0 * chance.random())
        vote = deciding.Vote(approval_id, source != "node" or chance.random() < 0.7, PRINCIPAL.subject)
        if source == "effect":
            vote = self._verdict(approval_id, codec.loads(data))
            if "retry" in str(vote.answer) and _STOPPING in summary and chance.random() < 0.5:
                vote = deciding.Vote(approval_id, False, PRINCIPAL.subject)  # it was not made
        elif source == "question":
            vote = deciding.Vote(approval_id, True, PRINCIPAL.subject, answer="yes")

        async def work(host: Host) -> None:
            engine, ready, poke = host.engine, list[str](), dict[str, str]()
            now, answer = engine.clock.now(), vote.answer
            if isinstance(answer, dict) and "outcome" in answer:
                outcome = artifacts.externalise(engine.artifacts, TENANT.id, answer["outcome"], INLINE_BYTES)
                answer["outcome"] = await outcome
            await engine.database.write(deciding.decide, TENANT, vote, now, ready, poke)
            await engine.wake(ready, poke)

        try:
            await self._requests.insist(work)
        except (Conflict, FailedPrecondition):
            return  # decided already, withdrawn, or its run is over
        except QuarterdeckError as error:
            self._problems.append(f"approval {approval_id} cannot be decided: {error}")

    def _verdict(self, approval_id: str, data: Any) -> deciding.Vote:
        """Looks outside whether an uncertain effect was done, and says so."""
        arguments = data["arguments"]
        digest = artifacts.referenced(arguments)
        if digest is not None:
            arguments = codec.loads(self._around.artifacts.look(TENANT.id, digest))
        tool, key = data["tool"].partition("/")[2], arguments["key"]
        answer: dict[str, Any] = {"resolution": "retry"}
        if self._ledger.has(tool, key):
            answer = {"resolution": "done", "outcome": result_of(tool, key)}
        return deciding.Vote(approval_id, True, PRINCIPAL.subject, answer=answer)

    async def _release(self, run_id: str, by_the_rule: bool) -> None:
        self.quarantined += 1
        if not by_the_rule:
            self._problems.append(f"run {run_id} was quarantined before its time")
        await asyncio.sleep(1.0)
        await self._requests.do(run_id, deliveries.resume, {"by": PRINCIPAL.subject})
        self._busy_with.discard(run_id)
