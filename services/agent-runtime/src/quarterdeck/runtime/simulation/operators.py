"""Those who look after many runs: they change definitions, repin what waits, and run again what failed."""

from __future__ import annotations

import asyncio
import random

from quarterdeck.common.errors import FailedPrecondition, NotFound
from quarterdeck.runtime.operations.repinning import Repinner
from quarterdeck.runtime.operations.rerunning import Page, Rerunner, Selection
from quarterdeck.runtime.simulation.hosts import Host, Surroundings
from quarterdeck.runtime.simulation.processes import Process
from quarterdeck.runtime.simulation.registry import ALONE
from quarterdeck.runtime.simulation.requests import Requests
from quarterdeck.runtime.store.runs import RunFilter
from quarterdeck.runtime.testing.harness import PRINCIPAL, TENANT

# Runs that one page of a bulk operation takes.
PAGE = 3
_PARKED = """
SELECT r.run_id, r.name FROM runs r JOIN run_queue q ON q.run_id = r.run_id
WHERE q.status = 'parked' AND r.kind = 'Workflow' AND r.parent_run_id = '' ORDER BY r.run_id
"""


class Operators:
    """They know what a client can list, and act on it at some moments of a seed."""

    def __init__(
        self, around: Surroundings, requests: Requests, process: Process, chance: random.Random
    ) -> None:
        self._around = around
        self._requests = requests
        self._process = process
        self._chance = chance

    def begin(self) -> None:
        """Sets them to work."""
        loop = self._around.loop
        for work in (self._change_and_repin, self._run_again):
            if self._chance.random() < 0.5:
                loop.on(self._process, lambda work=work: loop.create_task(work()))

    async def _change_and_repin(self) -> None:
        """Applies newer definitions, and moves what waits to them, one by one."""
        await asyncio.sleep(8.0 * self._chance.random())
        self._around.registry.changed = True
        for _ in range(2):
            for run_id, name in self._around.store.rows(_PARKED):
                if name in ALONE:
                    await self._repin(run_id)
            await asyncio.sleep(4.0 * self._chance.random())

    async def _repin(self, run_id: str) -> None:
        async def work(host: Host) -> None:
            await Repinner(host.engine, host.starter).repin(TENANT, run_id, dry_run=False)

        try:
            await self._requests.insist(work)
        except (FailedPrecondition, NotFound):
            return  # it went on meanwhile, or is over

    async def _run_again(self) -> None:
        """Runs a page of what failed again, from where it failed or from its beginning."""
        await asyncio.sleep(4.0 + 8.0 * self._chance.random())
        name, from_failure = self._chance.choice((("", True), ("brief", False), ("undoing", False)))
        wanted = Selection(RunFilter(kind="Workflow", name=name), from_failure, PAGE)
        shown = await self._page(wanted, "", dry_run=True)
        if shown.runs:
            try:
                await self._page(wanted, shown.confirm, dry_run=False)
            except FailedPrecondition:
                return  # other runs are selected by now: somebody else's clock says so

    async def _page(self, wanted: Selection, confirm: str, *, dry_run: bool) -> Page:
        async def work(host: Host) -> Page:
            rerunner = Rerunner(host.engine, host.starter)
            return await rerunner.rerun(TENANT, wanted, "", confirm, PRINCIPAL, dry_run=dry_run)

        page: Page = await self._requests.insist(work)
        return page
