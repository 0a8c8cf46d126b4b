"""Reservations: what is spent and reserved together never passes a limit, and nothing stays reserved."""

from hypothesis import given
from hypothesis import strategies as st

from quarterdeck.runtime.events import Event
from quarterdeck.runtime.planner import budgets
from quarterdeck.runtime.planner.budgets import Reserve
from quarterdeck.runtime.reducer import apply, fold
from quarterdeck.runtime.state import RunState

LIMIT = {"cost": 1000, "tokens": 400}
ACTIONS = st.sampled_from(["effect", "outcome", "children", "ended", "retry", "close", "pages"])
SCHEDULES = st.lists(st.tuples(ACTIONS, st.integers(0, 2**16), st.integers(1, 5), st.booleans()), max_size=60)


class Schedule:
    """Drives the fold as an executor would: reserves as the rules say, ends what it began in any order."""

    def __init__(self) -> None:
        started = {"kind": "Workflow", "name": "w", "tenant": "t", "budget": LIMIT}
        self.state = fold("r", [Event("run.started", started)])
        self.count = 0
        self.children: list[tuple[str, str, dict[str, int]]] = []

    def apply(self, event: str, /, **data: object) -> None:
        apply(self.state, Event(event, data))
        self.check()

    def check(self) -> None:
        state = self.state
        assert state.spent + state.reserved <= LIMIT["cost"]
        assert state.tokens + state.reserved_tokens <= LIMIT["tokens"]
        assert state.reserved == self._at_work("reserve", "cost")
        assert state.reserved_tokens == self._at_work("reserve_tokens", "tokens")

    def _at_work(self, field: str, limit: str) -> int:
        effects = sum(getattr(effect, field) for effect in self.state.effects.values())
        return effects + sum(given[limit] for _, _, given in self.children)

    def step(self) -> str:
        self.count += 1
        name = f"s{self.count}"
        self.apply("step.started", step=name, node=name, kind="agent")
        return name

    def effect(self, number: int, size: int, ok: bool) -> None:
        wanted = Reserve(number % 500, number % 200)
        name = self.step()
        if budgets.refusal(LIMIT, budgets.remaining(self.state), wanted) is None:
            intent = {"effect": f"e{self.count}", "step": name, "kind": "model", "target": {}}
            self.apply("effect.intent", **intent, reserve=wanted.cost, reserve_tokens=wanted.tokens)

    def outcome(self, number: int, size: int, ok: bool) -> None:
        if not self.state.effects:
            return
        effect = list(self.state.effects.values())[number % len(self.state.effects)]
        bill = {"cost": effect.reserve // size, "tokens": effect.reserve_tokens // size}
        more = {"status": "ok"} if ok else {"status": "error", "error": {"class": "model", "message": "no"}}
        self.apply("effect.outcome", effect=effect.id, **bill, **more)

    def children_(self, name: str, number: int, size: int) -> None:
        own = {"cost": number % 300} if number % 2 else {}
        given = budgets.slice_of(self.state, own, size)
        self._note(name, size, given)
        self.apply("children.started", step=name, first=0, count=size, total=99, reserve=given)

    def _note(self, name: str, size: int, given: dict[str, int]) -> None:
        step = self.state.steps[name]
        key = name if step.attempt == 1 else f"{name}@{step.attempt}"
        self.children += [(name, key, given)] * size

    def start_children(self, number: int, size: int, ok: bool) -> None:
        self.children_(self.step(), number, size)

    def pages(self, number: int, size: int, ok: bool) -> None:
        open_maps = [step.id for step in self.state.steps.values() if step.children]
        if open_maps:
            self.children_(open_maps[number % len(open_maps)], number, size)

    def ended(self, number: int, size: int, ok: bool) -> None:
        if not self.children:
            return
        _, key, given = self.children.pop(number % len(self.children))
        bill = {limit: amount // size for limit, amount in given.items()}
        # A child's own limits may name more than its parent reserved.
        told = {"step": key, "done": int(ok), "failed": int(not ok), "slice": given | {"other": 9}}
        self.apply("children.progress", **told, **bill)

    def retry(self, number: int, size: int, ok: bool) -> None:
        if self.state.steps:
            step = list(self.state.steps.values())[number % len(self.state.steps)]
            self.apply("step.retrying", step=step.id, attempt=step.attempt + 1)

    def close(self, number: int, size: int, ok: bool) -> None:
        if self.state.steps:
            step = list(self.state.steps)[number % len(self.state.steps)]
            self.apply("step.failed", step=step, error={"class": "timeout", "message": "late"})

    def finish(self) -> None:
        while self.children:
            self.ended(0, 1, False)
        while self.state.effects:
            self.outcome(0, 1, False)


@given(SCHEDULES)
def test_spent_and_reserved_never_pass_the_limit_and_nothing_stays_reserved(schedule):
    run = Schedule()
    act = {name: getattr(run, name) for name in ("effect", "outcome", "ended", "retry", "close", "pages")}
    act["children"] = run.start_children
    for action, number, size, ok in schedule:
        act[action](number, size, ok)
        # A snapshot in between loses nothing.
        run.state = RunState.from_json(run.state.to_json())
    run.finish()
    assert (run.state.reserved, run.state.reserved_tokens, run.state.open_children) == (0, 0, 0)
    assert run.state.spent <= LIMIT["cost"] and run.state.tokens <= LIMIT["tokens"]


def test_a_refusal_says_what_is_left_of_what():
    room = {"cost": 5, "tokens": 10}
    assert budgets.refusal(LIMIT, room, Reserve(5, 10)) is None
    cost = budgets.refusal(LIMIT, room, Reserve(6, 0))
    tokens = budgets.refusal(LIMIT, room, Reserve(0, 11))
    assert cost is not None and tokens is not None
    assert (cost["class"], cost["limit"], tokens["class"], tokens["limit"]) == (
        "budget",
        "cost",
        "budget",
        "tokens",
    )
    assert "0.000006 US dollars; 0.000005 of 0.001000 are left" in cost["message"]
    assert "11 tokens; 10 of 400 are left" in tokens["message"]
    assert budgets.refusal({}, {}, Reserve(10**9, 10**9)) is None
