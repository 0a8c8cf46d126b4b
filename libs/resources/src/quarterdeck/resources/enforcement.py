"""What a spec asks for that this version does not enforce yet.

Such an object is `Ready=False, NotEnforced`, and the calls it would govern are refused: a rule that is not
kept must not look as if it were.
"""

from collections.abc import Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import Any

from quarterdeck.resources.access import AccessBinding, AccessRole
from quarterdeck.resources.approvalpolicy import ApprovalPolicy
from quarterdeck.resources.cluster_rules import inexpressible
from quarterdeck.resources.constants import BUILT_IN_ROLES
from quarterdeck.resources.errors import ExpressionError, FieldError
from quarterdeck.resources.mcpserver import MCPServer, Scaling
from quarterdeck.resources.memorycollection import MemoryCollection
from quarterdeck.resources.metadata import Resource
from quarterdeck.resources.model import Model
from quarterdeck.resources.modelroute import ModelRoute
from quarterdeck.resources.policy import PlatformPolicy, Policy
from quarterdeck.resources.templates import names_used
from quarterdeck.resources.tenant import Quota, Tenant, TenantSpec
from quarterdeck.resources.workflow import Workflow
from quarterdeck.resources.workflow_calls import ToolCall

Names = AbstractSet[str]

REASON = "NotEnforced"
"""The reason of the `Ready` condition."""


def not_enforced(resource: Resource, *, in_cluster: bool = False) -> list[FieldError]:
    """Return an error for each thing asked for that is not enforced; empty when all is.

    `in_cluster`: Kubernetes keeps the objects, and enforces some of what they ask for.
    """
    finder = (_FINDERS_IN_CLUSTER if in_cluster else {}).get(resource.kind) or _FINDERS.get(resource.kind)
    return list(finder(resource)) if finder else []


def _later(path: str, what: str, instead: str = "") -> FieldError:
    return FieldError(path, f"{what} not enforced yet", instead)


def _policy(policy: Policy | PlatformPolicy) -> Iterator[FieldError]:
    for index, rule in enumerate(policy.spec.rules):
        path = f"spec.rules[{index}]"
        if rule.effect == "redact":
            yield _later(f"{path}.effect", "redact is", "deny or requireApproval")
        elif rule.redact:
            yield _later(f"{path}.redact", "redact is", "leave it out")
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
    # A shared process is kept, whatever its idle time is; how many there are is for a cluster to say.
    read = frozenset({"idle_timeout"} if server.spec.isolation == "session" else ())
    yield from _differing(server.spec.scaling, Scaling(), "spec.scaling", read)


def _server_in_cluster(server: MCPServer) -> Iterator[FieldError]:
    """A container's controller says itself what it cannot do."""
    if not server.spec.container:
        yield from _server(server)


def _differing(model: Model, usual: Model, path: str, read: Names = frozenset()) -> Iterator[FieldError]:
    """Yield an error for each field that is not as usual and that nothing reads."""
    for name, field in type(model).model_fields.items():
        if name not in read and getattr(model, name) != getattr(usual, name):
            alias = field.alias or name
            yield _later(f"{path}.{alias}", f"{alias} is", "leave it out")


_READ_OF_TENANT = frozenset(
    {"display_name", "namespace", "suspended", "quota", "retention", "priority", "weight", "admins"}
)


# What a cluster enforces: by a ResourceQuota, the namespace's owner, and who makes pods.
_QUOTA_IN_CLUSTER = frozenset({"tool_servers"})
_TENANT_IN_CLUSTER = frozenset({"deletion_policy", "images"})


def _tenant(tenant: Tenant, quota: Names = frozenset(), further: Names = frozenset()) -> Iterator[FieldError]:
    yield from _differing(tenant.spec.quota, Quota(), "spec.quota", quota | {"running_runs"})
    yield from _differing(tenant.spec, TenantSpec(), "spec", _READ_OF_TENANT | further)


def _tenant_in_cluster(tenant: Tenant) -> Iterator[FieldError]:
    yield from _tenant(tenant, _QUOTA_IN_CLUSTER, _TENANT_IN_CLUSTER)


def _route(route: ModelRoute) -> Iterator[FieldError]:
    if route.spec.cache.responses:
        yield _later("spec.cache.responses", "caching of responses is", "use false")


def _role(role: AccessRole) -> Iterator[FieldError]:
    if role.metadata.name in BUILT_IN_ROLES:
        yield _later("metadata.name", "another meaning of a built-in role is", "choose another name")


def _role_in_cluster(role: AccessRole) -> Iterator[FieldError]:
    yield from _role(role)
    yield from inexpressible(role)


def _binding_in_cluster(binding: AccessBinding) -> Iterator[FieldError]:
    if binding.spec.role == "platform-admin":
        instead = "bind the ClusterRole quarterdeck-platform-admin by a ClusterRoleBinding"
        yield _later("spec.role", "a role over all tenants, by a binding in one, is", instead)


def _workflow(workflow: Workflow) -> Iterator[FieldError]:
    for index, node in enumerate(workflow.spec.nodes):
        for path, call in _tool_calls(node, f"spec.nodes[{index}]"):
            if call.idempotency_key is not None:
                what = "handing an idempotencyKey to the tool is"
                yield _later(f"{path}.idempotencyKey", what, "make it one of the tool's arguments")


def _tool_calls(model: Model, path: str) -> Iterator[tuple[str, ToolCall]]:
    """Yield every tool call below a model, with its path."""
    for name, field in type(model).model_fields.items():
        value, here = getattr(model, name), f"{path}.{field.alias or name}"
        for at, item in enumerate(value) if isinstance(value, list) else ((None, value),):
            inner = here if at is None else f"{here}[{at}]"
            if isinstance(item, ToolCall):
                yield inner, item
            elif isinstance(item, Model):
                yield from _tool_calls(item, inner)


_FINDERS: Mapping[str, Callable[[Any], Iterator[FieldError]]] = {
    "Policy": _policy,
    "PlatformPolicy": _policy,
    "ApprovalPolicy": _approval_policy,
    "MemoryCollection": _collection,
    "MCPServer": _server,
    "Tenant": _tenant,
    "ModelRoute": _route,
    "AccessRole": _role,
    "Workflow": _workflow,
}
_FINDERS_IN_CLUSTER: Mapping[str, Callable[[Any], Iterator[FieldError]]] = {
    "AccessRole": _role_in_cluster,
    "AccessBinding": _binding_in_cluster,
    "MCPServer": _server_in_cluster,
    "Tenant": _tenant_in_cluster,
}
