"""Many starts in one call: each by itself, in few statements, on either dialect."""

import asyncio
from types import SimpleNamespace

import grpc
import pytest
from sqlalchemy import select

from quarterdeck.common import codec
from quarterdeck.common.access import LocalAuthorizer
from quarterdeck.common.errors import InvalidArgument, PermissionDenied, Unavailable
from quarterdeck.common.identity import CallContext, Principal, set_current_call
from quarterdeck.common.tenants import TenantId
from quarterdeck.runtime.constants import MAX_BATCH
from quarterdeck.runtime.rpcs.batching import keys_of
from quarterdeck.runtime.rpcs.server import RuntimeServicer
from quarterdeck.runtime.starting.accepting import Starter
from quarterdeck.runtime.tables import RUN_LABELS, RUN_QUEUE
from quarterdeck.runtime.testing.harness import PRINCIPAL, TENANT, Harness
from quarterdeck.v1 import resources_pb2, runs_pb2

SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}}
NODE = {"name": "a", "transform": {"output": "${input}"}}
WAIT = {"name": "a", "wait": {"signal": {"name": "paid", "schema": {"type": "object"}}}}
SPECS = {
    "Workflow/w": {"input": {"schema": SCHEMA}, "nodes": [NODE]},
    "Workflow/waits": {"nodes": [WAIT]},
    "Agent/talks": {"instructions": "x", "model": {"route": "r"}},
}


class Registry:
    """A registry that knows SPECS and counts the questions."""

    def __init__(self):
        self.asked = []

    def stub(self, _factory):
        return SimpleNamespace(ResolveClosure=None)

    async def call(self, _method, request, **_options):
        self.asked.append(request.name)
        spec = SPECS.get(f"{request.kind}/{request.name}")
        revisions = [] if spec is None else [
            resources_pb2.Revision(
                revision=f"{request.kind}/{request.name}@1",
                kind=request.kind,
                name=request.name,
                spec_json=codec.dumps(spec),
            )
        ]  # fmt: skip
        return resources_pb2.Closure(revisions=revisions)


class Tenants:
    def __init__(self, suspended=False):
        self.tenant = TenantId(TENANT.name, TENANT.id, suspended)

    async def resolve(self, _name):
        return self.tenant


class Named:
    """Lets everybody start everything but one name."""

    async def authorize(self, principal, verb, resource, tenant, name=""):
        if name == "secret":
            raise PermissionDenied(f"{principal.subject} may not {verb} {resource} {name}")


class Bench:
    """The RPC over a harness."""

    def __init__(self, h, authorizer=None, tenants=None):
        self.registry = Registry()
        starter = Starter(h.engine, self.registry, h.worker.begin)
        parts = (h.engine, tenants or Tenants(), starter, None, None, authorizer or LocalAuthorizer())
        self.rpcs = RuntimeServicer(*parts)

    async def start(self, *runs, **more):
        principal = Principal(PRINCIPAL.subject, ("quarterdeck:platform-admins",))
        set_current_call(CallContext("gateway", principal, "/StartRuns"))
        request = runs_pb2.StartRunsRequest(tenant=TENANT.name, runs=runs, **more)
        return list((await self.rpcs.StartRuns(request, None)).runs)


def wish(name="w", value=None, **more):
    data = b"{}" if value is None else codec.dumps(value)
    return runs_pb2.StartRunRequest(kind="Workflow", name=name, input_json=data, **more)


def words(answers):
    """Returns each answer in a word: "new", "same", or the code and field of the refusal."""
    return [
        f"{grpc_name(one.refusal.code)} {one.refusal.field}".strip()
        if one.HasField("refusal")
        else "same"
        if one.existed
        else "new"
        for one in answers
    ]


def grpc_name(code):
    return next(status.name for status in grpc.StatusCode if status.value[0] == code)


async def test_each_is_accepted_or_refused_by_itself(tmp_path):
    async with Harness(tmp_path, specs=SPECS) as h:
        bench = Bench(h)
        answers = await bench.start(
            wish(value={"n": 1}, labels={"is": "first"}),
            wish(value={"n": "one"}),
            wish(name="nobody"),
            wish(labels={"": "x"}),
            runs_pb2.StartRunRequest(kind="Trigger", name="w"),
            runs_pb2.StartRunRequest(kind="Agent", name="talks"),
            wish(tenant="another"),
            wish("waits", signal_name="paid", signal_json=b"3"),
            wish(value={"n": 2}, tenant=TENANT.name),
        )
        assert words(answers) == [
            "new",
            "INVALID_ARGUMENT input.n",
            "NOT_FOUND name",
            "INVALID_ARGUMENT labels",
            "INVALID_ARGUMENT kind",
            "INVALID_ARGUMENT input",
            "INVALID_ARGUMENT tenant",
            "INVALID_ARGUMENT signal.payload",
            "new",
        ]
        assert answers[1].refusal.violations[0].field == "input.n"
        assert await h.output(answers[0].run_id) == {"n": 1}
        assert await h.output(answers[8].run_id) == {"n": 2}
        labels = await h.look(select(RUN_LABELS.c.run_id, RUN_LABELS.c.value))
        assert [tuple(row) for row in labels] == [(answers[0].run_id, "first")]


async def test_many_runs_are_few_statements_and_one_question(tmp_path):
    async with Harness(tmp_path, specs=SPECS) as h:
        bench = Bench(h)
        await bench.start(wish())
        written = []
        original = h.engine.database.write

        async def write(function, *arguments):
            written.append(function.__name__)
            return await original(function, *arguments)

        bench.registry.asked.clear()
        h.engine.database.write = write
        answers = await bench.start(*(wish(value={"n": n}, key=f"k{n}") for n in range(600)))
        h.engine.database.write = original
        assert words(answers) == ["new"] * 600
        assert bench.registry.asked == ["w"]
        assert written.count("queue_together") == 3 and "accept" not in written


async def test_the_same_batch_again_is_the_same_runs(tmp_path):
    async with Harness(tmp_path, specs=SPECS) as h:
        bench = Bench(h)
        batch = [wish(value={"n": n}) for n in range(5)] + [wish(value={"n": 9}, idempotency_key="own")]
        first = await bench.start(*batch, idempotency_key="k")
        again = await bench.start(*batch, idempotency_key="k")
        assert words(again) == ["same"] * 6
        assert [one.run_id for one in again] == [one.run_id for one in first]
        other = await bench.start(wish(value={"n": 7}), *batch[1:], idempotency_key="k")
        assert words(other) == ["ABORTED idempotencyKey", *["same"] * 5]
        assert other[0].refusal.reason == "IdempotencyKeyReused"


async def test_a_key_that_is_twice_in_a_batch_is_one_run(tmp_path):
    async with Harness(tmp_path, specs=SPECS) as h:
        batch = [wish(value={"n": 1}, idempotency_key="once") for _ in range(3)]
        answers = await Bench(h).start(*batch, wish(value={"n": 2}, idempotency_key="once"))
        assert words(answers) == ["new", "same", "same", "ABORTED idempotencyKey"]
        assert len({one.run_id for one in answers[:3]}) == 1


async def test_runs_of_a_key_and_turns_of_a_session_wait_in_the_order_of_the_batch(tmp_path):
    queue, join = runs_pb2.KEY_CONFLICT_QUEUE, runs_pb2.KEY_CONFLICT_JOIN
    async with Harness(tmp_path, specs=SPECS) as h:
        bench = Bench(h)
        keyed = [wish("waits", key="k", key_conflict=rule) for rule in (queue, queue, join, 0)]
        turns = [wish("waits", session="s") for _ in range(3)]
        answers = await bench.start(*keyed, *turns)
        assert words(answers) == ["new", "new", "same", "ALREADY_EXISTS key", "new", "new", "new"]
        assert answers[2].run_id == answers[0].run_id
        await h.wait(answers[0].run_id, "waiting")
        await h.wait(answers[4].run_id, "waiting")
        gated = await h.look(select(RUN_QUEUE.c.run_id).where(RUN_QUEUE.c.status == "gated"))
        assert {row.run_id for row in gated} == {answers[1].run_id, answers[5].run_id, answers[6].run_id}
        for first, second in ((0, 1), (4, 5), (5, 6)):
            await h.signal(answers[first].run_id, "paid", {})
            await h.wait(answers[first].run_id)
            await h.wait(answers[second].run_id, "waiting")


async def test_a_start_alone_that_waits_answers_without_another_look(tmp_path):
    async with Harness(tmp_path, specs=SPECS) as h:
        bench = Bench(h)
        await bench.start(wish("waits", key="k"))
        queued = wish("waits", key="k", key_conflict=runs_pb2.KEY_CONFLICT_QUEUE, tenant=TENANT.name)
        answer = await bench.rpcs.StartRun(queued, None)
        told = runs_pb2.GetRunRequest(tenant=TENANT.name, run_id=answer.id)
        assert answer == await bench.rpcs.GetRun(told, None)
        assert answer.reason == "waiting for the run before it with key 'k'"


async def test_a_signal_goes_with_its_start(tmp_path):
    async with Harness(tmp_path, specs=SPECS) as h:
        started = await Bench(h).start(wish("waits", signal_name="paid", signal_json=b'{"n":3}'))
        assert await h.output(started[0].run_id) == {"n": 3}


async def test_what_a_batch_may_hold(tmp_path):
    async with Harness(tmp_path, specs=SPECS) as h:
        bench = Bench(h)
        with pytest.raises(InvalidArgument, match="0 runs"):
            await bench.start()
        with pytest.raises(InvalidArgument, match="1001 runs"):
            await bench.start(*[wish()] * (MAX_BATCH + 1))
        with pytest.raises(InvalidArgument, match="idempotencyKey"):
            await bench.start(wish(), idempotency_key="k" * 300)


async def test_who_may_not_start_one_of_them_starts_the_others(tmp_path):
    async with Harness(tmp_path, specs=SPECS) as h:
        answers = await Bench(h, Named()).start(wish(), wish("secret"), wish())
        assert words(answers) == ["new", "PERMISSION_DENIED", "new"]


async def test_a_suspended_tenant_starts_nothing(tmp_path):
    async with Harness(tmp_path, specs=SPECS) as h:
        answers = await Bench(h, tenants=Tenants(suspended=True)).start(wish(), wish())
        assert words(answers) == ["FAILED_PRECONDITION"] * 2


async def test_a_database_that_goes_away_refuses_what_was_not_written(tmp_path):
    async with Harness(tmp_path, specs=SPECS) as h:
        bench = Bench(h)
        original, calls = h.engine.database.write, []

        async def write(function, *arguments):
            calls.append(function.__name__)
            if calls.count("queue_together") == 2:
                raise Unavailable("the database is away")
            return await original(function, *arguments)

        h.engine.database.write = write
        answers = await bench.start(*[wish()] * 300)
        h.engine.database.write = original
        assert words(answers) == ["new"] * 250 + ["UNAVAILABLE"] * 50


async def test_a_large_batch_leaves_turns_to_others(tmp_path):
    async with Harness(tmp_path, specs=SPECS) as h:
        bench = Bench(h)
        turns = 0

        async def others():
            nonlocal turns
            while True:
                await asyncio.sleep(0)
                turns += 1

        beside = asyncio.create_task(others())
        await bench.start(*(wish(value={"n": n}) for n in range(1000)))
        beside.cancel()
        assert turns >= 5


def test_keys_are_made_of_the_batch_and_the_place():
    batch = [wish(), wish(idempotency_key="own"), wish()]
    made = keys_of(runs_pb2.StartRunsRequest(runs=batch, idempotency_key="k"))
    assert made[1] == "own" and len(set(made)) == 3 and all(len(key) < 256 for key in made)
    assert keys_of(runs_pb2.StartRunsRequest(runs=batch)) == ["", "own", ""]
    assert made != keys_of(runs_pb2.StartRunsRequest(runs=batch, idempotency_key="l"))
