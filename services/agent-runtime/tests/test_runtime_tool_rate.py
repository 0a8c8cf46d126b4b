"""A call over a tool's rate waits as long as it is told, and asks again under the same id."""

from types import SimpleNamespace

from quarterdeck.common.proofs.holders import Uses
from quarterdeck.runtime.effects.tools import ToolPerformer
from quarterdeck.v1 import tools_pb2

Outcome = tools_pb2.ToolOutcome
LATER = Outcome(status=Outcome.STATUS_UNAVAILABLE, retry_after_seconds=7.5)
DONE = Outcome(status=Outcome.STATUS_OK, result_json=b"{}")


class Manager:
    def __init__(self, *answers):
        self.answers, self.asked = list(answers), []

    def stub(self, _stub):
        return SimpleNamespace(CallTool=None)

    async def call(self, _method, request, _timeout):
        self.asked.append(request.call_id)
        return self.answers.pop(0)


class Clock:
    def __init__(self):
        self.slept = []

    async def sleep(self, seconds):
        self.slept.append(seconds)


async def test_it_waits_and_asks_again():
    manager, clock = Manager(LATER, LATER, DONE), Clock()
    performer = ToolPerformer(manager, None, None, clock)
    facts = SimpleNamespace(
        run_id="r", epoch=1, root_run_id="r", tenant="t", tenant_id="i", kind="Workflow", name="w",
        principal={"subject": "anna"},
    )  # fmt: skip
    target = {"server": "s", "tool": "book", "check": {"tool": "t"}}
    effect = SimpleNamespace(id="e1", approval="", target=target)
    uses = SimpleNamespace(uses=Uses(frozenset({"s/book"})))
    outcome = await performer.check(facts, uses, SimpleNamespace(spent=0), effect, {"a": 1})
    assert outcome == DONE
    assert clock.slept == [7.5, 7.5]
    assert manager.asked == ["r:e1"] * 3
