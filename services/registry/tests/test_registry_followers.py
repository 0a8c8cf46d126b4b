"""The other services' view: `ObjectWatcher` against a real registry, restarts included."""

import asyncio

from registry_support import server, workflow
from sqlalchemy import MetaData

from quarterdeck.common.database import open_database
from quarterdeck.common.database.rules import protect
from quarterdeck.common.watching import ObjectWatcher, objects_table

SHAPE = MetaData()
TABLE = objects_table(SHAPE)
protect(SHAPE)


async def until(check):
    for _ in range(500):
        if check():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("not within 5 s")


async def test_a_service_follows_what_is_in_force(world, admin, database_url):
    await admin.apply(server("a"))
    good = await admin.apply(workflow("w", {"name": "n", "transform": {"output": "x"}}))
    database = await open_database(database_url, SHAPE)
    try:
        watcher = ObjectWatcher(
            world.platforms["agent-runtime"], database, TABLE, ["MCPServer", "Workflow", "Tenant"]
        )
        await watcher.start()
        assert await watcher.wait_synced(5)
        assert watcher.get("default", "MCPServer", "a") is not None
        assert watcher.get("", "Tenant", "default") is not None
        await admin.apply(workflow("w", {"name": "n", "transform": {"output": "${"}}))
        await admin.apply(server("b"))
        await until(lambda: watcher.get("default", "MCPServer", "b"))
        watched = watcher.get("default", "Workflow", "w")
        assert watched.spec["nodes"][0]["transform"]["output"] == "x"
        assert watched.revision == good.object.revision
        await admin.delete("MCPServer", "a")
        await until(lambda: watcher.get("default", "MCPServer", "a") is None)
        await world.service.stop(0.1)
        assert watcher.get("default", "MCPServer", "b") is not None
    finally:
        await world.platforms["agent-runtime"].close()
        await database.close()
