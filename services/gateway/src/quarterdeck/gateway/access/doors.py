"""Every door: what each RPC and each route of REST needs, and which built-in roles have it. Pure.

What an RPC needs stands in `proto/`. What a route needs is what the RPCs need that it always makes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from quarterdeck.common.authorization.roles import ROLES
from quarterdeck.common.authorization.rules import Question, first
from quarterdeck.gateway.constants import CLUSTER_KINDS, PLURALS, TENANT_KINDS
from quarterdeck.gateway.methods import method_table

PUBLIC, ANYBODY = "public", "anybody"
# What belongs to the platform when no tenant is named.
_OF_BOTH = "deadletters"
# What is nothing of a tenant's, besides kinds of objects.
_OF_PLATFORM = "suspensions"

# Operations of REST, each with the RPCs that it always makes.
RPCS: dict[str, tuple[str, ...]] = {
    "startRun": ("RuntimeService/StartRun",),
    "listRuns": ("RuntimeService/ListRuns",),
    "getRun": ("RuntimeService/GetRun",),
    "listRunEvents": ("RuntimeService/ListRunEvents",),
    "listRunEffects": ("RuntimeService/ListEffects",),
    "startRuns": ("RuntimeService/StartRuns",),
    "cancelRun": ("RuntimeService/CancelRun",),
    "terminateRun": ("RuntimeService/TerminateRun",),
    "pauseRun": ("RuntimeService/PauseRun",),
    "signalRun": ("RuntimeService/SignalRun",),
    "resumeRun": ("RuntimeService/ResumeRun",),
    "repinRun": ("RuntimeService/RepinRun",),
    "forkRun": ("RuntimeService/ForkRun",),
    "retryRun": ("RuntimeService/RetryRun",),
    "rerunRuns": ("RuntimeService/RerunRuns",),
    "archiveRuns": ("RuntimeService/ArchiveRuns",),
    "exportRun": ("RuntimeService/ExportRun",),
    "importRun": ("RuntimeService/ImportRun",),
    "listApprovals": ("ApprovalService/ListApprovals",),
    "getApproval": ("ApprovalService/GetApproval",),
    "decideApproval": ("ApprovalService/DecideApproval",),
    "listTools": ("ToolService/ListTools",),
    "callTool": ("ToolService/CallTool",),
    "getMemoryCollectionStats": ("MemoryService/GetCollectionStats",),
    "saveMemory": ("MemoryService/SaveMemory",),
    "searchMemory": ("MemoryService/SearchMemory",),
    "getMemory": ("MemoryService/GetMemory",),
    "deleteMemory": ("MemoryService/DeleteMemory",),
    "getArtifact": ("RuntimeService/GetArtifact",),
    "listModels": ("ModelService/ListModels",),
    "generateModel": ("ModelService/GenerateModel",),
    "fireTrigger": ("RuntimeService/FireTrigger",),
    "getTriggerState": ("RuntimeService/GetTriggerState",),
    "publishEvent": ("RuntimeService/PublishEvent",),
    "streamRunAsAgUi": ("RuntimeService/GetRun",),
    "chatWithAgent": ("RuntimeService/StartRun",),
    "listDeadLetters": ("BusService/ListDeadLetters",),
    "replayDeadLetters": ("BusService/ReplayDeadLetters",),
    "suspendPrincipal": ("AccessService/SuspendPrincipal",),
    "restorePrincipal": ("AccessService/RestorePrincipal",),
    "listSuspensions": ("AccessService/ListSuspensions",),
    "getDeadLetter": ("BusService/ListDeadLetters",),
}
_OBJECTS = {
    "get": "RegistryService/GetObject",
    "apply": "RegistryService/ApplyObject",
    "delete": "RegistryService/DeleteObject",
    "list": "RegistryService/ListObjects",
    "create": "RegistryService/ApplyObject",
    "revisions": "RegistryService/ListRevisions",
}
# Served by the gateway itself.
OWN: dict[str, tuple[str, str] | str] = {
    "whoAmI": ANYBODY,
    "checkAccess": ANYBODY,
    "listApiKeys": ("list", "apikeys"),
    "createApiKey": ("create", "apikeys"),
    "rotateApiKey": ("update", "apikeys"),
    "revokeApiKey": ("delete", "apikeys"),
}
OPEN = frozenset(
    {"getHealth", "getHealthOfPart", "getMetrics", "getLiveness", "getReadiness"}
    | {"listIdentityProviders", "signIn", "finishSignIn", "signOut"}
)


@dataclass(frozen=True, slots=True)
class Door:
    """One way in. `needs` are verbs on resources, or one of PUBLIC and ANYBODY."""

    way: str
    operation: str
    needs: tuple[tuple[str, str], ...] | str
    plural: str = ""
    of_tenant: bool = True

    def lets_in(self, role: str) -> bool:
        """True if whoever holds a built-in role, in the tenant or over the platform, may pass."""
        if isinstance(self.needs, str):
            return True
        asked = (Question(verb, resource) for verb, resource in self.needs)
        # A role that is bound in a tenant says nothing of what belongs to the platform.
        return (self.of_tenant or role == "platform-admin") and all(first(ROLES[role], one) for one in asked)


def rpc_doors() -> Iterator[Door]:
    """Yields every public RPC; one that is about any kind, once for each kind."""
    for path, method in method_table().items():
        needs = method.requirement
        if not needs.public:
            continue
        plurals = PLURALS.values() if needs.resource.startswith("*") else ("",)
        for plural in plurals:
            resource = needs.resource.replace("*", plural, 1)
            of_tenant = plural not in CLUSTER_KINDS and resource != _OF_PLATFORM
            asks = ((needs.verb, resource),) if needs.verb else ANYBODY
            way = path.removeprefix("/quarterdeck.v1.") + (f" of {plural}" if plural else "")
            yield Door(way, path, asks, plural, of_tenant)


def rest_doors(operations: dict[str, str]) -> Iterator[Door]:
    """Yields every route of REST.

    Args:
        operations: operation id to method and path, as "GET /api/v1/tenants".

    Raises:
        KeyError: a route of which nobody has said what it needs.
    """
    for operation, way in operations.items():
        if operation in OPEN:
            yield Door(way, operation, PUBLIC)
        elif operation in OWN:
            own = OWN[operation]
            yield Door(way, operation, own if isinstance(own, str) else (own,))
        elif operation in RPCS:
            yield from _door(operation, way)
        else:
            yield from _object_doors(operation, way)


def _door(operation: str, way: str) -> Iterator[Door]:
    needs = tuple(_needs(rpc) for rpc in RPCS[operation])
    if any(resource == _OF_BOTH for _, resource in needs):
        yield Door(f"{way}?tenant={{tenant}}", operation, needs)
        yield Door(way, operation, needs, of_tenant=False)
    else:
        of_tenant = all(resource != _OF_PLATFORM for _, resource in needs)
        yield Door(way, operation, needs, of_tenant=of_tenant)


def _object_doors(operation: str, way: str) -> Iterator[Door]:
    if "{plural}" in way:
        act = (
            "revisions"
            if operation == "listRevisions"
            else operation.removesuffix("s").removesuffix("Object")
        )
        for plural in TENANT_KINDS:
            yield _object_door(operation, way.replace("{plural}", plural), act, plural)
        return
    plural, kind = next((plural, kind) for plural, kind in CLUSTER_KINDS.items() if kind in operation)
    act = "revisions" if operation.endswith("Revisions") else operation.removesuffix(kind)
    yield _object_door(operation, way, act, plural)


def _object_door(operation: str, way: str, act: str, plural: str) -> Door:
    verb, _ = _needs(_OBJECTS[act])
    return Door(way, operation, ((verb, plural),), plural, plural not in CLUSTER_KINDS)


def _needs(rpc: str) -> tuple[str, str]:
    needs = method_table()[f"/quarterdeck.v1.{rpc}"].requirement
    return needs.verb, needs.resource
