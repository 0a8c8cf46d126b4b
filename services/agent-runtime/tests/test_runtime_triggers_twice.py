"""Two workers at one due time, one of which skips it because the run before was open when it looked."""

import pytest
from runtime_kit.trigger_bench import DAY, NINE, bench, daily

from quarterdeck.runtime.triggers import store
from quarterdeck.runtime.triggers.due import scheduled
from quarterdeck.runtime.triggers.firing import idempotency_key
from quarterdeck.runtime.triggers.store import Tally


class SkippedMeanwhile:
    """A starter that another worker overtakes: it skips the time right before the start, or right after."""

    def __init__(self, b, *, before):
        self._bench, self._before = b, before

    async def start(self, wish):
        if self._before:
            await self._skip()
            return await self._bench.starter.start(wish)
        accepted = await self._bench.starter.start(wish)
        await self._skip()
        return accepted

    async def _skip(self):
        database = self._bench.h.database
        (row,) = await database.read(store.due, NINE, 10)
        key = idempotency_key(row.name, scheduled(row.next_due).id)
        assert await database.write(store.skip, row, NINE + DAY, Tally(NINE, skipped=1), key)


@pytest.mark.parametrize(("before", "fired"), [(True, 0), (False, 1)])
async def test_a_time_has_a_run_or_is_skipped_and_never_both(tmp_path, before, fired):
    async with bench(tmp_path) as b:
        await b.apply("t", daily())
        b.clock.move_to(NINE)
        await b.new_loop(SkippedMeanwhile(b, before=before)).fire_due()
        assert len(await b.runs()) == fired
        state = await b.state()
        assert (state.fired, state.skipped) == (fired, 1 - fired)
