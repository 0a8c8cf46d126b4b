"""What a spec asks for that this version does not enforce yet.

Such an object is `Ready=False, NotEnforced`, and the calls it would govern are refused: a rule that is not
kept must not look as if it were.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from quarterdeck.resources.approvalpolicy import ApprovalPolicy
from quarterdeck.resources.errors import ExpressionError, FieldError
from quarterdeck.resources.mcpserver import MCPServer
from quarterdeck.resources.memorycollection import MemoryCollection
from quarterdeck.resources.metadata import Resource
from quarterdeck.resources.policy import PlatformPolicy, Policy
from quarterdeck.resources.templates import names_used

REASON = "NotEnforced"
"""The reason of the `Ready` condition."""


def not_enforced(resource: Resource) -> list[FieldError]:
    """Return an error for each thing asked for that is not enforced; empty when all is."""
    finder = _FINDERS.get(resource.kind)
    return list(finder(resource)) if finder else []


def _later(path: str, what: str, instead: str = "") -> FieldError:
    return FieldError(path, f"{what} not enforced yet", instead)


def _policy(policy: Policy | PlatformPolicy) -> Iterator[FieldError]:
    for index, rule in enumerate(policy.spec.rules):
        path = f"spec.rules[{index}]"
        if rule.effect == "redact":
            yield _later(f"{path}.effect", "redact is", "deny or requireApproval")
        if rule.when and "taint" in _roots(rule.when):
            yield _later(f"{path}.when", "taint is", "do not use taint")


def _roots(when: str) -> frozenset[str]:
    try:
        return names_used(when).roots
    except ExpressionError:
        return frozenset()


def _approval_policy(policy: ApprovalPolicy) -> Iterator[FieldError]:
    spec = policy.spec
    if spec.quorum > 1:
        yield _later("spec.quorum", "a quorum above one is", "use 1")
    if spec.on_expiry != "reject":
        yield _later("spec.onExpiry", f"{spec.on_expiry} is", "use reject")
    if spec.escalate_to:
        yield _later("spec.escalateTo", "escalation is", "leave it out")
    if spec.notify:
        yield _later("spec.notify", "notification is", "leave it out; approvers list what is open")


def _collection(collection: MemoryCollection) -> Iterator[FieldError]:
    if collection.spec.graph and collection.spec.graph.enabled:
        yield _later("spec.graph.enabled", "a knowledge graph is", "use false")


def _server(server: MCPServer) -> Iterator[FieldError]:
    if server.spec.container:
        yield _later("spec.container", "a container needs a cluster and is", "use local or remote")
    if server.spec.egress:
        yield _later("spec.egress", "egress is", "leave it out")


_FINDERS: Mapping[str, Callable[[Any], Iterator[FieldError]]] = {
    "Policy": _policy,
    "PlatformPolicy": _policy,
    "ApprovalPolicy": _approval_policy,
    "MemoryCollection": _collection,
    "MCPServer": _server,
}
