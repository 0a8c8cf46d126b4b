"""Ends a run that its executor cannot go on with, from what is durable."""

from __future__ import annotations

from quarterdeck.common.constants import INLINE_BYTES
from quarterdeck.runtime import events as ev
from quarterdeck.runtime.engine import Engine
from quarterdeck.runtime.execution.appending import append
from quarterdeck.runtime.execution.loading import load
from quarterdeck.runtime.execution.unit import RunFacts, finished_row, parent_delivery, withdrawn
from quarterdeck.runtime.reducer import apply
from quarterdeck.runtime.state import FORWARD, RunState
from quarterdeck.runtime.store.commits import Commit, Fate
from quarterdeck.runtime.store.queue import Claim, current_seq, hand_back

LONGEST_MESSAGE = INLINE_BYTES // 8


async def fail_run(engine: Engine, claim: Claim, kind: str, message: str) -> None:
    """Makes a held run fail, and lets it go.

    A run on its way forward stops like any other that fails: whoever claims it next waits for what is in
    flight, undoes what was done, and ends it. One that was stopping already ends here and now.
    Its children are told to stop.
    """
    current = await engine.database.read(current_seq, claim.run_id)
    if current is None:
        return
    loaded = await load(engine, Claim(claim.run_id, claim.tenant_id, claim.epoch, current, claim.attempts))
    state, facts = loaded.state, loaded.facts
    now = engine.clock.now()
    before, asked = state.seq, list(state.approvals)
    stops = before > 0 and state.phase == FORWARD
    error = {"error": ev.error_value(kind, message[:LONGEST_MESSAGE])}
    event = ev.Event(ev.RUN_STOPPING if stops else ev.RUN_FAILED, error, now)
    apply(state, event)
    unit = Commit(
        run_id=facts.run_id,
        tenant_id=facts.tenant_id,
        worker=engine.worker,
        epoch=claim.epoch,
        seq=before,
        events=[event],
        approvals_closed=withdrawn(asked, state, now),
        cancel_children=message[:200],
        gate=facts.gate,
        session=facts.session,
    )
    if not stops:
        _finish(unit, facts, state, now)
    answer = await append(engine.database, unit, now)
    if answer.fate is Fate.FENCED:
        return
    engine.live.committed(facts.tenant_id, facts.run_id, before + 1, [event])
    await engine.wake(answer.ready, answer.poke)
    if stops:
        await engine.database.write(hand_back, claim.run_id, claim.epoch, now)


def _finish(unit: Commit, facts: RunFacts, state: RunState, now: float) -> None:
    told = parent_delivery(facts, state, None)
    unit.deliveries = [told] if told else []
    unit.run = finished_row(state, now, None)
    unit.finished = True
