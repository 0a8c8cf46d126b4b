"""Who may decide, under which policies nobody may, and that an approval is for one call."""

import pytest

from quarterdeck.common.errors import FailedPrecondition
from quarterdeck.runtime.approvals.approvers import require_enforced
from quarterdeck.runtime.effects.outcomes import failed, succeeded
from quarterdeck.runtime.testing.harness import Harness

APPROVERS = [{"group": "bookkeepers"}]


def test_a_policy_that_is_kept_can_be_approved_under():
    require_enforced({"approvers": APPROVERS, "quorum": 1}, "reviewers")


@pytest.mark.parametrize("more", [{"quorum": 2}, {"onExpiry": "escalate", "escalateTo": "owners"}])
def test_a_policy_that_is_not_kept_cannot(more):
    with pytest.raises(FailedPrecondition, match="reviewers asks for what is not enforced") as caught:
        require_enforced({"approvers": APPROVERS, **more}, "reviewers")
    assert caught.value.reason == "NotEnforced"


class Guarded:
    """A tool behind an approval that serves once, as mcp-manager holds it; its first calls end as told."""

    def __init__(self, *ends):
        self.ends, self.spent = list(ends), []

    async def perform(self, facts, definition, state, effect):
        approval = effect.approval
        if not approval or approval in self.spent:
            more = {"approval_policy": "p"} if not approval else {}
            status = "denied" if approval else "needs_approval"
            return [failed(effect, status, "policy", "ask first", **more)]
        self.spent.append(approval)
        end = self.ends.pop(0) if self.ends else "ok"
        if end == "ok":
            return [succeeded(effect, "done")]
        return [failed(effect, end, "uncertain" if end == "uncertain" else "tool", "it broke", policy="ask")]


@pytest.mark.parametrize(("end", "questions"), [("error", 2), ("uncertain", 3)])
async def test_another_attempt_asks_again(tmp_path, end, questions):
    """After an error the call itself is asked about again; before that, what became of it."""
    retry = [{"errors": ["tool"], "attempts": 3, "delay": "10ms"}]
    node = {"name": "a", "tool": {"server": "s", "name": "t", "arguments": {}}, "retry": retry}
    guarded = Guarded(end)
    specs = {"Workflow/w": {"nodes": [node]}}
    async with Harness(tmp_path, specs=specs, performers={"tool": guarded}) as h:
        run = await h.start("Workflow", "w", {})
        asked = set()
        while len(asked) < questions:
            await h.wait(run, "waiting")
            fresh = [one.approval_id for one in await h.approvals() if one.approval_id not in asked]
            for approval in fresh:
                asked.add(approval)
                await h.approve(approval)
        assert await h.output(run) == "done"
        assert len(guarded.spent) == 2
