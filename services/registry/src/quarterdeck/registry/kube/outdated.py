"""Whether the CRDs of the cluster know all that this release does: the rest they prune in silence."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

from quarterdeck.common.errors import Unavailable
from quarterdeck.controller.api.client import Client
from quarterdeck.controller.api.errors import ApiError, Forbidden, NotFound
from quarterdeck.controller.api.resource import CRDS
from quarterdeck.controller.objects import Object

# Seconds until CRDs that were found wanting are looked at again; what is as it should be is not.
AGAIN = 30.0
# So many fields are named.
NAMED = 5

Schema = dict[str, Any]


class Definitions:
    """Looks at the CRDs when the service starts, and goes on looking as long as something is wrong."""

    def __init__(self, client: Client, log: Any) -> None:
        self._client = client
        self._log = log
        self._wrong: list[str] = []

    async def check(self) -> None:
        """Raises Unavailable that names the CRDs that are missing or older than this release."""
        if self._wrong:
            raise Unavailable("; ".join(self._wrong), hint="apply the CRDs of this release")

    async def run(self) -> None:
        """Ends once all CRDs are as they should be."""
        ours = await asyncio.to_thread(_ours)
        while True:
            found = [said for crd in ours if (said := await self._examine(crd))]
            if found != self._wrong:
                self._say(found)
            self._wrong = found
            if not found:
                return
            await asyncio.sleep(AGAIN)

    def _say(self, found: list[str]) -> None:
        if found:
            self._log.error("crds.outdated", crds=found, hint="apply the CRDs of this release")
        else:
            self._log.info("crds.as_they_should_be")

    async def _examine(self, ours: Object) -> str:
        name = ours["metadata"]["name"]
        try:
            return verdict(ours, await self._client.get(CRDS, name))
        except NotFound:
            return f"{name}: is not installed"
        except Forbidden as error:
            self._log.warning("crds.not_examined", crd=name, error=error.message)
            return ""
        except ApiError as error:
            return f"{name}: cannot be read: {error.message}"


def _ours() -> list[Object]:
    from quarterdeck.resources.generation.crds import crd
    from quarterdeck.resources.kinds import KINDS

    return [crd(info) for info in KINDS.values()]


def verdict(ours: Object, live: Object) -> str:
    """Returns what a CRD of the cluster lacks, in words; empty for nothing."""
    name, (version,) = ours["metadata"]["name"], ours["spec"]["versions"]
    served = {each["name"]: each for each in live["spec"]["versions"] if each.get("served")}
    if version["name"] not in served:
        return f"{name}: does not serve {version['name']}"
    lacking = list(_lacking(_schema(version), _schema(served[version["name"]]), ""))
    if not lacking:
        return ""
    more = f" and {len(lacking) - NAMED} more" if len(lacking) > NAMED else ""
    return f"{name}: is older than this release: it does not know {', '.join(lacking[:NAMED])}{more}"


def _schema(version: Object) -> Schema:
    schema: Schema = version["schema"]["openAPIV3Schema"]
    return schema


def _lacking(ours: Schema, live: Schema, path: str) -> Iterator[str]:
    """Yields the fields that `live` would prune, the outermost only."""
    if live.get("x-kubernetes-preserve-unknown-fields"):
        return
    theirs = live.get("properties") or {}
    for name, schema in (ours.get("properties") or {}).items():
        where = f"{path}.{name}".lstrip(".")
        if name in theirs:
            yield from _lacking(schema, theirs[name], where)
        elif path:  # what every object has, the API server knows by itself
            yield where
    for word, mark in (("items", "[]"), ("additionalProperties", ".*")):
        if isinstance(ours.get(word), dict) and isinstance(live.get(word), dict):
            yield from _lacking(ours[word], live[word], path + mark)
