"""kopf doing our registry's job for Agents: check the spec, resolve the model route, say it in the status.

Run by `kopf run`, in the peers' environment.
"""

from __future__ import annotations

import datetime
from typing import Any

import kopf
from agent_check import found, route_of

GROUP, VERSION = "quarterdeck.dev", "v1alpha1"
UNRESOLVED_AGAIN = 5


@kopf.on.startup()
def configure(settings: kopf.OperatorSettings, **_: Any) -> None:
    """No Events, for ours posts none either."""
    settings.posting.enabled = False


@kopf.index(GROUP, VERSION, "modelroutes")
def routes(namespace: str, name: str, **_: Any) -> dict[tuple[str, str], None]:
    """Keeps which routes there are."""
    return {(namespace, name): None}


@kopf.on.resume(GROUP, VERSION, "agents")
@kopf.on.create(GROUP, VERSION, "agents")
@kopf.on.update(GROUP, VERSION, "agents", field="spec")
async def agent(body: kopf.Body, patch: kopf.Patch, routes: kopf.Index[Any, Any], **_: Any) -> None:
    """Says in the status what there is to say of the spec."""
    resolved = (body["metadata"]["namespace"], route_of(body)) in routes
    generation = body["metadata"]["generation"]
    now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    patch.status["observedGeneration"] = generation
    patch.status["conditions"] = [
        {
            "type": name,
            "status": "True" if good else "False",
            "reason": reason,
            "message": message,
            "observedGeneration": generation,
            "lastTransitionTime": now,
        }
        for name, (good, reason, message) in found(body, resolved=resolved).items()
    ]
    if not resolved:
        raise kopf.TemporaryError("references do not resolve", delay=UNRESOLVED_AGAIN)
