"""What was said in a session comes from the cache where it has it, else from the database."""

from sqlalchemy import update

from quarterdeck.common.cache import key, open_cache
from quarterdeck.runtime.constants import SESSION_TTL
from quarterdeck.runtime.tables import RUNS
from quarterdeck.runtime.testing.harness import TENANT, Harness
from quarterdeck.runtime.testing.stubs import LocalModels

SPECS = {"Agent/a": {"instructions": "x"}}


async def repeat(facts, state):
    texts = [block["text"] for m in state.agent.messages for block in m["content"]]
    return {"role": "assistant", "content": [{"type": "text", "text": "|".join(texts)}]}


class Recording:
    """A real cache whose writes can be looked at, and which can lose everything."""

    def __init__(self):
        self._cache, self.kept = open_cache("memory://"), {}

    async def get_many(self, keys):
        return await self._cache.get_many(keys)

    async def set(self, name, value, ttl):
        self.kept[name] = ttl
        await self._cache.set(name, value, ttl)

    async def lose(self):
        await self._cache.delete(*self.kept)

    async def close(self):
        await self._cache.close()


async def test_turns_are_kept_for_a_day_and_read_again_when_they_are_gone(tmp_path):
    cache = Recording()
    async with Harness(tmp_path, specs=SPECS, performers={"model": LocalModels(repeat)}, cache=cache) as h:
        runs = []
        for text in ("1", "2"):
            runs.append(await h.start("Agent", "a", text, session="s"))
            await h.output(runs[-1])
        assert cache.kept == {key(TENANT.id, "session", runs[0]): SESSION_TTL}
        # What the cache has is what is told: the row is not read again.
        changed = update(RUNS).where(RUNS.c.run_id == runs[0]).values(input=b'"other"')
        await h.database.write(lambda connection: connection.execute(changed))
        third = await h.start("Agent", "a", "3", session="s")
        assert await h.output(third) == "1|1|2|1|1|2|3"
        await cache.lose()
        fourth = await h.start("Agent", "a", "4", session="s")
        assert (await h.output(fourth)).startswith("other|1|2|")
        counted = h.engine.instruments
        assert counted.session_hits._value.get() == 1
        assert counted.session_misses._value.get() == 1 + 1 + 3
    await cache.close()
