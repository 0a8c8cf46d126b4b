"""In whose name an effect is performed: its run's, held to what the definition declares."""

from __future__ import annotations

from quarterdeck.common.identity import Principal
from quarterdeck.common.proofs.holders import RunClaim, Uses
from quarterdeck.common.rpc_client import act_for
from quarterdeck.runtime.execution.unit import RunFacts

# Declared uses that a proof names. A definition with more is proven one use at a time, so that the proof
# stays small enough to travel with each call.
MOST_USES = 64


def act(facts: RunFacts, declared: Uses, wanted: Uses) -> None:
    """Makes this task's calls in the name of a run."""
    act_for(claim(facts, proven(declared, wanted)))


def claim(facts: RunFacts, uses: Uses) -> RunClaim:
    """Returns what the runtime vouches for when it calls for a run."""
    principal = Principal(facts.principal["subject"], tuple(facts.principal.get("groups", ())))
    return RunClaim(principal, facts.tenant, facts.tenant_id, facts.run_id, facts.epoch, uses)


def proven(declared: Uses, wanted: Uses) -> Uses:
    """Returns which of the declared uses a proof names: all, or of very many those that are wanted now."""
    if len(declared) <= MOST_USES:
        return declared
    tools = frozenset(name for name in wanted.tools if declared.has_tool(*name.split("/", 1)))
    reads = frozenset(name for name in wanted.reads if declared.reads_from(name))
    return Uses(tools, reads, wanted.writes & declared.writes)


def with_check(declared: Uses, server: str, tool: str, check: str) -> Uses:
    """Adds the tool that tells, by its server's author, whether a declared one was called."""
    if not declared.has_tool(server, tool):
        return declared
    return Uses(declared.tools | {f"{server}/{check}"}, declared.reads, declared.writes)
