"""What a call asks for: the questions that all must be answered with yes. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from quarterdeck.common import codec
from quarterdeck.common.access import Requirement
from quarterdeck.common.authorization.accounts import account_of
from quarterdeck.common.authorization.roles import ACCOUNTS, USE
from quarterdeck.common.authorization.rules import Question
from quarterdeck.gateway.constants import CLUSTER_KINDS, PLURALS, TOOL_RUN_KIND


def questions(needs: Requirement, request: Any) -> list[Question]:
    """Returns what a call of an RPC needs; one question for each name that it holds, none for anybody's."""
    if not needs.verb:
        return []
    manifest = manifest_of(request)
    resource = _resource(needs.resource, request, manifest)
    plural = resource.partition("/")[0]
    # What belongs to the platform is nothing of a tenant's, whatever tenant the request names.
    tenant = "" if plural in CLUSTER_KINDS else str(getattr(request, "tenant", ""))
    asked = [Question(needs.verb, resource, tenant, name) for name in _names(request, manifest)]
    asked += [Question("call", "tools/call", tenant, tool) for tool in _tools(needs, request)]
    return asked + [Question(USE, ACCOUNTS, tenant, name) for name in _accounts(needs, manifest)]


def _accounts(needs: Requirement, manifest: dict[str, Any]) -> Iterable[str]:
    """Yields the account that a Trigger would act as: whoever applies it must be allowed to."""
    if needs.verb == "update" and manifest.get("kind") == "Trigger":
        spec = manifest.get("spec")
        yield account_of(spec if isinstance(spec, dict) else {})


def _tools(needs: Requirement, request: Any) -> Iterable[str]:
    """Yields the tools, as server/tool, that runs to be started are single calls of."""
    if (needs.verb, needs.resource) != ("create", "runs"):
        return
    for run in getattr(request, "runs", None) or (request,):
        if getattr(run, "kind", "") == TOOL_RUN_KIND:
            yield run.name


def _resource(declared: str, request: Any, manifest: dict[str, Any]) -> str:
    """Returns the resource that a request is about; "*" stands for the plural of the kind it names."""
    if not declared.startswith("*"):
        return declared
    kind = getattr(request, "kind", "") or manifest.get("kind", "")
    kind = kind or str(getattr(request, "revision", "")).partition("/")[0]
    return PLURALS.get(str(kind), "objects") + declared[1:]


def _names(request: Any, manifest: dict[str, Any]) -> Iterable[str]:
    """Returns the names that roles speak of: of an object, a tool as server/tool, a collection or a route."""
    several = {run.name: None for run in getattr(request, "runs", ())}
    if several:
        return several
    if getattr(request, "tool", ""):
        return (f"{request.server}/{request.tool}",)
    if manifest:
        metadata = manifest.get("metadata")
        name = metadata.get("name") if isinstance(metadata, dict) else ""
        return (name if isinstance(name, str) else "",)
    found = (getattr(request, field, "") for field in ("collection", "route", "name"))
    return (next((str(name) for name in found if name), ""),)


def manifest_of(request: Any) -> dict[str, Any]:
    """Returns the manifest that a request carries; empty for what is none."""
    given = getattr(request, "object_json", b"")
    if not given:
        return {}
    try:
        found = codec.loads(given)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
