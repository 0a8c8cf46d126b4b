"""Triggers on a bench: a clock of the test's own, objects applied by hand, runs that start."""

import asyncio
from contextlib import asynccontextmanager
from datetime import datetime

from sqlalchemy import delete, insert

from quarterdeck.common import codec
from quarterdeck.common.database import within
from quarterdeck.common.errors import PermissionDenied
from quarterdeck.common.proofs.keys import KeyDirectory
from quarterdeck.common.proofs.signing import WorkloadIdentity
from quarterdeck.common.rpc_client import Peer
from quarterdeck.common.tenants import TenantDirectory, TenantId
from quarterdeck.common.watching import Watched
from quarterdeck.runtime.starting.accepting import Starter
from quarterdeck.runtime.store import runs
from quarterdeck.runtime.tables import WATCHED
from quarterdeck.runtime.testing.harness import TENANT, Harness
from quarterdeck.runtime.triggers.accounts import everybody
from quarterdeck.runtime.triggers.due import DueLoop
from quarterdeck.runtime.triggers.firing import Firer
from quarterdeck.runtime.triggers.service import Triggers

MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0


QUICK = {"Workflow/w": {"nodes": [{"name": "done", "transform": {"output": "${input}"}}]}}


SLOW = {"Workflow/w": {"nodes": [{"name": "hold", "wait": {"signal": {"name": "go"}}}]}}


def at(text):
    return datetime.fromisoformat(text).timestamp()


START = at("2026-06-01T08:00:00+02:00")


NINE = at("2026-06-01T09:00:00+02:00")


class OwnedClock:
    """Stands still until the test moves it."""

    def __init__(self, now):
        self._now = now
        self._sleepers = []

    def now(self):
        return self._now

    async def sleep(self, seconds):
        woken = asyncio.get_running_loop().create_future()
        self._sleepers.append((self._now + seconds, woken))
        await woken

    def move_to(self, now):
        self._now = now
        due = [sleeper for sleeper in self._sleepers if sleeper[0] <= now]
        self._sleepers = [sleeper for sleeper in self._sleepers if sleeper[0] > now]
        for _, woken in due:
            if not woken.done():
                woken.set_result(None)


class Bench:
    """The engine, triggers on it, and a registry that is away: what is pinned is what the last run used."""

    def __init__(self, h, folder):
        self.h, self.clock = h, h.clock
        self.told = []
        self.registry = Peer(
            "registry", f"unix:{folder}/nobody", WorkloadIdentity("agent-runtime", KeyDirectory(folder / "k"))
        )
        self.triggers = self.new_triggers()

    def new_triggers(self):
        """Triggers as a new process has them."""
        self.starter = Starter(self.h.engine, self.registry)
        self.tenants = TenantDirectory(self.registry)
        return Triggers(self.h.engine, self.new_firer(), self.h.bus, self.tenants)

    def new_firer(self, starter=None):
        async def told(tenant, name, denied):
            self.told.append((name, denied))

        return Firer(self.h.engine, starter or self.starter, self.admit, told)

    async def admit(self, tenant, declared):
        """Lets everybody in but the account `nobody`, in place of the gateway."""
        if declared.service_account == "nobody":
            raise PermissionDenied("nobody may not create runs")
        return await everybody(tenant, declared)

    def new_loop(self, starter=None):
        async def tenant_of(row):
            return TenantId(row.tenant, row.tenant_id)

        return DueLoop(self.h.engine, self.new_firer(starter), tenant_of)

    async def apply(self, name, spec):
        """A Trigger object arrives, as the object watcher brings it."""
        full = {"target": {"kind": "Workflow", "name": "w"}, **spec}
        watched = Watched(TENANT.name, TENANT.id, "Trigger", name, "r1", {"spec": full})
        await self.h.database.write(_save_watched, watched)
        await self.triggers.on_object(watched, False)

    async def delete(self, name, tell=True):
        watched = Watched(TENANT.name, TENANT.id, "Trigger", name, "r1", {"spec": {}})
        await self.h.database.write(_forget_watched, name)
        if tell:
            await self.triggers.on_object(watched, True)

    async def tick(self, now=None, loop=None):
        """Fires everything that is due at a time."""
        if now is not None:
            self.clock.move_to(now)
        loop = loop or self.new_loop()
        while await loop.fire_due() == 0.0:
            pass

    async def runs(self, name="t"):
        """Runs of a trigger, oldest first."""
        wanted = runs.RunFilter(trigger=name)
        return await self.h.database.read(
            runs.list_runs, TENANT.id, wanted, limit=10_000, after="", newest_first=False
        )

    async def inputs(self, name="t"):
        return [codec.loads(row.input) for row in await self.runs(name)]

    async def state(self, name="t"):
        return await self.triggers.state(TENANT, name)


def _save_watched(connection, watched):
    _forget_watched(connection, watched.name)
    values = {
        "tenant": watched.tenant,
        "tenant_id": watched.tenant_id,
        "kind": watched.kind,
        "name": watched.name,
        "revision": watched.revision,
        "object_json": codec.dumps(watched.object),
    }
    connection.execute(insert(WATCHED).values(**values))


def _forget_watched(connection, name):
    within(connection, TENANT.id)
    connection.execute(delete(WATCHED).where(WATCHED.c.name == name))


@asynccontextmanager
async def bench(tmp_path, specs=QUICK, now=START, bus=None):
    async with Harness(tmp_path, specs=specs, clock=OwnedClock(now), bus=bus) as h:
        made = Bench(h, tmp_path)
        try:
            yield made
        finally:
            await made.registry.close()


def daily(**more):
    cron = {"schedule": "0 9 * * *", "timeZone": "Europe/Brussels", "overlap": "allow", **more}
    return {"cron": cron, "input": {"when": "${trigger.scheduledAt}", "local": "${trigger.localTime}"}}


def every_minute(**more):
    return {"cron": {"schedule": "* * * * *", "overlap": "allow", **more}}


async def _until(condition):
    async with asyncio.timeout(5):
        while True:
            if condition():
                return
            await asyncio.sleep(0.005)


async def _until_async(condition):
    async with asyncio.timeout(5):
        while True:
            if await condition():
                return
            await asyncio.sleep(0.005)
