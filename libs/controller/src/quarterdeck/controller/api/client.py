"""The verbs of the Kubernetes API over parsed JSON, without models and without discovery."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

from quarterdeck.controller.api.errors import ServerTrouble, error_of
from quarterdeck.controller.api.parsing import parsed
from quarterdeck.controller.api.resource import Resource
from quarterdeck.controller.api.transport import REQUEST_TIMEOUT, Transport
from quarterdeck.controller.objects import Object, key_of

PAGE = 500
WATCH_SECONDS = 300
# Bookmarks come once a minute. A connection silent for longer is dead, and noticed within 75 s.
SILENCE = 70.0
_APPLY = "application/apply-patch+yaml"
_MERGE = "application/merge-patch+json"
_PARTIAL = "application/json;as={};g=meta.k8s.io;v=v1"


@dataclass(frozen=True, slots=True)
class Scope:
    """Which objects of a resource are meant; empty fields leave nothing out.

    Attributes:
        metadata_only: ask for the objects' metadata alone, a fraction of the bytes.
    """

    namespace: str = ""
    label_selector: str = ""
    field_selector: str = ""
    metadata_only: bool = False

    def params(self) -> dict[str, str]:
        """Returns the selectors as query parameters."""
        chosen = {"labelSelector": self.label_selector, "fieldSelector": self.field_selector}
        return {name: value for name, value in chosen.items() if value}

    def accept(self, shape: str) -> dict[str, str]:
        """Returns the header that asks for whole objects, or for `shape` of their metadata."""
        return {"Accept": _PARTIAL.format(shape)} if self.metadata_only else {}


EVERYTHING = Scope()


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a list. `token` leads to the next; `size` is in bytes."""

    items: list[Object]
    resource_version: str
    token: str
    size: int


@dataclass(frozen=True, slots=True)
class WatchEvent:
    """A change: `type` is ADDED, MODIFIED, DELETED or BOOKMARK; errors are raised instead."""

    type: str
    object: Object


class Client:
    """The API as one service account may use it.

    Args:
        transport: shared by clients of different fences.
        fence: called right before each write is sent; raises if we may not write any more.
    """

    def __init__(self, transport: Transport, fence: Callable[[], None] | None = None) -> None:
        self._transport = transport
        self._fence = fence

    def fenced(self, fence: Callable[[], None]) -> Client:
        """Returns a client over the same connections whose writes pass `fence` first."""
        return Client(self._transport, fence)

    async def get(self, resource: Resource, name: str, namespace: str = "") -> Object:
        """Reads one object. Raises NotFound."""
        return await self._json("GET", resource.path(namespace, name))

    async def list_page(
        self, resource: Resource, scope: Scope = EVERYTHING, *, limit: int = PAGE, token: str = ""
    ) -> Page:
        """Reads a part of a list, as new as the server's store.

        Args:
            limit: objects of a page; 0 for all at once.
            token: of the page before. Raises Gone if it is too old by now.
        """
        params = scope.params() | ({"limit": str(limit)} if limit else {})
        if token:
            params["continue"] = token
        headers = scope.accept("PartialObjectMetadataList")
        text, _ = await self._transport.request(
            "GET", resource.path(scope.namespace), params=params, headers=headers
        )
        return _page(resource, text)

    async def list_all(self, resource: Resource, scope: Scope = EVERYTHING) -> list[Object]:
        """Reads a whole list page by page. Raises Gone if that takes longer than the server remembers."""
        items: list[Object] = []
        token = ""
        while True:
            page = await self.list_page(resource, scope, token=token)
            items += page.items
            token = page.token
            if not token:
                return items

    async def watch(
        self,
        resource: Resource,
        scope: Scope = EVERYTHING,
        *,
        resource_version: str,
        seconds: int = WATCH_SECONDS,
        silence: float = SILENCE,
    ) -> AsyncIterator[WatchEvent]:
        """Yields what changes after `resource_version`, with bookmarks, until the server ends it.

        Args:
            seconds: after which the server is to end it.
            silence: seconds without a byte after which the connection counts as dead.

        Raises:
            Gone: that version is forgotten, said as a status or as an ERROR event alike.
            ApiError: any other refusal; Unreachable for a connection that broke or is dead.
        """
        params = scope.params() | {
            "watch": "1",
            "allowWatchBookmarks": "true",
            "resourceVersion": resource_version,
            "timeoutSeconds": str(seconds),
        }
        lines = self._transport.lines(
            resource.path(scope.namespace), params, scope.accept("PartialObjectMetadata"), silence
        )
        async for line in lines:
            yield _event(line)

    async def create(self, resource: Resource, thing: Object, **query: str) -> Object:
        """Creates an object in the namespace that it names. Raises AlreadyExists.

        Args:
            query: parameters of the request, as `dryRun="All"` or `fieldValidation="Strict"`.
        """
        namespace = thing.get("metadata", {}).get("namespace", "")
        return await self._write("POST", resource.path(namespace), thing, params=query)

    async def replace(self, resource: Resource, thing: Object, subresource: str = "", **query: str) -> Object:
        """Writes an object as a whole. Raises Conflict if its resource version is not the present one.

        Args:
            query: parameters of the request, as of `create`.
        """
        key = key_of(thing)
        path = resource.path(key.namespace, key.name, subresource)
        return await self._write("PUT", path, thing, params=query)

    async def apply(
        self, resource: Resource, thing: Object, *, manager: str, subresource: str = "", force: bool = True
    ) -> Object:
        """Server-side apply: creates the object or makes our fields of it what `thing` says.

        Args:
            manager: who owns the fields. A field that we applied once and leave out now is removed.
            force: take fields that others own; without it they are a Conflict.
        """
        key = key_of(thing)
        params = {"fieldManager": manager} | ({"force": "true"} if force else {})
        path = resource.path(key.namespace, key.name, subresource)
        return await self._write("PATCH", path, thing, params=params, content_type=_APPLY)

    async def merge(
        self, resource: Resource, name: str, patch: Object, namespace: str = "", subresource: str = ""
    ) -> Object:
        """Changes what `patch` names; null removes. Conflict if it names an old resource version."""
        path = resource.path(namespace, name, subresource)
        return await self._write("PATCH", path, patch, content_type=_MERGE)

    async def delete(
        self,
        resource: Resource,
        name: str,
        namespace: str = "",
        *,
        uid: str = "",
        resource_version: str = "",
        propagation: str = "Background",
    ) -> Object:
        """Asks for an object's deletion; finalizers may delay it. Raises NotFound.

        Args:
            uid, resource_version: what the object must still be, or this is a Conflict.
            propagation: what becomes of what it owns: Background, Foreground or Orphan.
        """
        wanted = {"uid": uid, "resourceVersion": resource_version}
        preconditions = {name: value for name, value in wanted.items() if value}
        options = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": propagation}
        body = options | ({"preconditions": preconditions} if preconditions else {})
        return await self._write("DELETE", resource.path(namespace, name), body)

    async def raw(self, path: str, timeout: float = REQUEST_TIMEOUT, accept: str = "*/*") -> str:
        """Reads any path as text, for example `/readyz`, in the form that `accept` names."""
        text, _ = await self._transport.request("GET", path, headers={"Accept": accept}, timeout=timeout)
        return text.decode()

    async def close(self) -> None:
        """Closes the connections, of all clients that share them."""
        await self._transport.close()

    async def _json(self, method: str, path: str, **rest: Any) -> Object:
        text, _ = await self._transport.request(method, path, **rest)
        return _object(text)

    async def _write(
        self,
        method: str,
        path: str,
        body: Object,
        *,
        params: dict[str, str] | None = None,
        content_type: str = "application/json",
    ) -> Object:
        headers = {"Content-Type": content_type}
        return await self._json(method, path, params=params, body=body, headers=headers, before=self._fence)


def _object(text: bytes) -> Object:
    try:
        found = parsed(text)
    except ValueError as error:
        raise ServerTrouble(f"the API server's answer is no JSON: {error}") from None
    if not isinstance(found, dict):
        raise ServerTrouble("the API server's answer is no object")
    return found


def _page(resource: Resource, text: bytes) -> Page:
    listed = _object(text)
    items: list[Object] = listed.get("items") or []
    for item in items:
        # Lists of built-in kinds say these once, for all.
        item["apiVersion"], item["kind"] = resource.api_version, resource.kind
    meta = listed.get("metadata") or {}
    return Page(items, str(meta.get("resourceVersion", "")), str(meta.get("continue") or ""), len(text))


def _event(line: bytes) -> WatchEvent:
    told = _object(line)
    thing = told.get("object") or {}
    if told.get("type") == "ERROR":
        raise error_of(int(thing.get("code") or 500), thing)
    return WatchEvent(str(told.get("type")), thing)
