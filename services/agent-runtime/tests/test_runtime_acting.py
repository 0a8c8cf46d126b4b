"""What a run's proof says: its epoch, whom it is for, and what its definition declares."""

import asyncio

from quarterdeck.common.identity import Principal
from quarterdeck.common.proofs.holders import RunClaim, Uses
from quarterdeck.common.rpc_client import acting_for
from quarterdeck.runtime.effects.acting import MOST_USES, act, claim, proven, with_check
from quarterdeck.runtime.execution.unit import RunFacts
from quarterdeck.runtime.uses import uses_of_agent, uses_of_workflow

CALL = {"server": "ledger", "name": "book"}


def facts():
    return RunFacts(
        "r1", "id-1", "acme", "Agent", "clerk", "", "r1", "", "", -1, "", "", 0, 0,
        {"subject": "corp:anna", "groups": ["corp:books"]}, epoch=7,
    )  # fmt: skip


def test_an_agent_declares_its_tools_and_collections():
    spec = {
        "tools": [{"server": "ledger", "names": ["list", "book"]}, {"server": "files"}],
        "memory": [{"collection": "a"}, {"collection": "b", "access": "readWrite"}],
    }
    uses = uses_of_agent(spec)
    assert uses == Uses(
        frozenset({"ledger/list", "ledger/book", "files/*"}), frozenset({"a", "b"}), frozenset({"b"})
    )
    assert uses.has_tool("files", "anything") and not uses.has_tool("ledger", "unbook")
    assert uses.reads_from("b") and not uses.reads_from("c")
    assert uses_of_agent({}) == Uses()


def test_a_workflow_declares_what_any_of_its_nodes_does():
    nodes = [
        {"name": "a", "tool": CALL, "compensate": {"tool": {"server": "ledger", "name": "unbook"}}},
        {"name": "b", "map": {"items": "${input}", "tool": {"server": "mail", "name": "send"}}},
        {
            "name": "c",
            "parallel": {
                "branches": [
                    {"name": "x", "tool": {"server": "files", "name": "read"}},
                    {"name": "y", "memory": {"collection": "m", "search": {"query": "q"}}},
                ]
            },
        },
        {"name": "d", "memory": {"collection": "n", "delete": {"ids": ["1"]}}},
        {"name": "e", "wait": {"duration": "1s"}},
    ]
    tools = {"ledger/book", "ledger/unbook", "mail/send", "files/read"}
    assert uses_of_workflow(nodes) == Uses(frozenset(tools), frozenset({"m"}), frozenset({"n"}))


def test_a_check_is_declared_with_the_tool_that_it_tells_of():
    declared = Uses(frozenset({"ledger/book"}))
    assert with_check(declared, "ledger", "book", "find").has_tool("ledger", "find")
    assert not with_check(declared, "ledger", "pay", "find").has_tool("ledger", "find")


def test_very_many_uses_are_proven_one_at_a_time():
    many = Uses(frozenset(f"s/t{n}" for n in range(MOST_USES)), writes=frozenset({"m"}))
    one = Uses(frozenset({"s/t3"}))
    assert proven(many, one) == one
    assert proven(many, Uses(frozenset({"s/other"}))) == Uses()
    memory = frozenset({"m"})
    assert proven(many, Uses(reads=memory, writes=memory)) == Uses(reads=memory, writes=memory)
    few = Uses(frozenset({"s/t1"}))
    assert proven(few, one) == few


async def test_a_run_calls_for_its_principal_in_its_own_task_alone():
    uses = Uses(frozenset({"ledger/book"}))
    anna = Principal("corp:anna", ("corp:books",))
    assert claim(facts(), uses) == RunClaim(anna, "acme", "id-1", "r1", 7, uses)

    async def effect():
        act(facts(), uses, uses)
        return acting_for()

    assert await asyncio.create_task(effect()) == anna
    assert acting_for() is None
