"""Expressions are checked against what Agents and Workflows in force give, and follow their changes."""

import asyncio
from pathlib import Path

import pytest
from registry_support import agent, body, condition, manifest, route, workflow

from quarterdeck.resources.manifests import load_manifests

EXAMPLE = Path(__file__).parents[3] / "examples/invoice-matching/manifests"

CLOSED = {
    "type": "object",
    "additionalProperties": False,
    "properties": {"matched": {"type": "boolean"}, "confidence": {"type": "number"}},
}
WIDER = {**CLOSED, "properties": {**CLOSED["properties"], "confidense": {"type": "number"}}}


def matcher(schema):
    return agent("matcher", output={"schema": schema})


def reading(field):
    result = {"name": "result", "transform": {"output": f"${{nodes.match.output.{field}}}"}}
    match = {"name": "match", "agent": {"name": "matcher"}, "next": [{"to": "result"}]}
    return workflow("w", match, result)


async def test_a_field_that_the_agent_does_not_give_is_refused_and_heals(admin):
    await admin.apply(route())
    await admin.apply(matcher(CLOSED))
    good = await admin.apply(reading("confidence"))
    bad = await admin.apply(reading("confidense"))
    accepted = condition(bad.object, "Accepted")
    assert (accepted["status"], accepted["reason"]) == ("False", "InvalidSpec")
    assert (
        "spec.nodes[1].transform.output: nodes.match.output has no field 'confidense'" in accepted["message"]
    )
    assert "did you mean 'confidence'" in accepted["message"]
    assert bad.object.revision == good.object.revision
    await admin.until("Workflow", "w", "Ready", "False", "NotAccepted")
    await admin.apply(matcher(WIDER))
    await admin.until("Workflow", "w", "Accepted")
    await admin.until("Workflow", "w", "Ready")


async def test_an_agent_that_appears_or_changes_later_is_shown_as_a_condition(admin, world):
    await admin.apply(route())
    first = await admin.apply(reading("confidense"))
    assert condition(first.object, "Accepted")["status"] == "True"
    await admin.until("Workflow", "w", "ResolvedRefs", "False", "ReferenceNotFound")
    await admin.apply(matcher(CLOSED))
    refs = await admin.until("Workflow", "w", "ResolvedRefs", "False", "ReferenceDoesNotFit")
    assert "spec.nodes[1].transform.output" in refs["message"] and "confidense" in refs["message"]
    await admin.until("Workflow", "w", "Ready", "False", "ReferencesUnresolved")
    # What was accepted stays in force.
    assert (await admin.get("Workflow", "w")).revision == first.object.revision
    await admin.apply(matcher(WIDER))
    await admin.until("Workflow", "w", "Ready")
    await admin.apply(matcher({**CLOSED, "additionalProperties": True}))
    await admin.until("Agent", "matcher", "Ready")
    await admin.until("Workflow", "w", "Ready")


async def test_another_tenants_agent_gives_no_types(admin):
    await admin.apply(manifest("Tenant", "acme"), tenant="")
    await admin.apply(matcher(CLOSED), tenant="acme")
    written = await admin.apply(reading("confidense"))
    assert condition(written.object, "Accepted")["status"] == "True"


async def test_what_an_agent_gives_is_typed_for_the_status_too(admin):
    await admin.apply(route())
    await admin.apply(reading("matched"))
    await admin.until("Workflow", "w", "ResolvedRefs", "False")
    assert body(await admin.get("Workflow", "w"))["status"]["untyped"] == ["spec.nodes[1].transform.output"]
    await admin.apply(matcher(CLOSED))
    await admin.until("Workflow", "w", "Ready")
    for _ in range(500):
        status = body(await admin.get("Workflow", "w"))["status"]
        if "untyped" not in status:
            break
        await asyncio.sleep(0.01)
    assert "untyped" not in status


async def test_a_dry_run_says_it_as_well(admin):
    await admin.apply(matcher(CLOSED))
    tried = await admin.apply(reading("confidense"), dry_run=True)
    assert condition(tried.object, "Accepted")["status"] == "False"


@pytest.mark.parametrize("step", [1, -1])
async def test_the_example_fits_in_whichever_order_it_is_applied(admin, step):
    files = sorted(EXAMPLE.glob("*.yaml"))
    read = [item.data for file in files for item in load_manifests(file.read_text(), file.name)]
    workflows = [item["metadata"]["name"] for item in read if item["kind"] == "Workflow"]
    assert len(workflows) == 3
    for item in read[::step]:
        written = await admin.apply(item)
        assert condition(written.object, "Accepted")["status"] == "True"
    for name in workflows:
        # What does not fit would be said before what is not known yet.
        refs = await admin.until("Workflow", name, "ResolvedRefs", "Unknown", "ToolsNotListed")
        assert "ledger" in refs["message"]
