"""Declared resources. Objects pass through as the bytes that the registry sent."""

from __future__ import annotations

from typing import Any

from quarterdeck.common import codec
from quarterdeck.common.errors import InvalidArgument
from quarterdeck.gateway.streams import frame
from quarterdeck.gateway.translate.values import embedded, word
from quarterdeck.v1 import resources_pb2


def object_list(answer: resources_pb2.ListObjectsResponse) -> bytes:
    """Returns the JSON of a page; its items are not decoded."""
    items = b",".join(item.object_json for item in answer.objects)
    rest = codec.dumps(
        {"continue": answer.next_page_token or None, "resourceVersion": answer.resource_version}
    )
    return b'{"items":[' + items + b"]," + rest[1:]


def watch_frame(event: resources_pb2.WatchEvent) -> bytes:
    """Returns a watch event as SSE; its id is the resource version to resume from."""
    kind = word(resources_pb2.WatchEvent.Type, event.type, "TYPE_").upper()
    head = codec.dumps({"type": kind, "resourceVersion": event.resource_version})
    data = head[:-1] + b',"object":' + (event.object.object_json or b"null") + b"}"
    return frame(data, event=kind, id=event.resource_version)


def revision(message: resources_pb2.Revision) -> dict[str, Any]:
    """Returns a revision's JSON."""
    return {
        "revision": message.revision,
        "kind": message.kind,
        "name": message.name,
        "spec": embedded(message.spec_json),
        "createdAt": message.created_at,
    }


def check_manifest(body: bytes, kind: str, name: str | None) -> None:
    """Raises InvalidArgument unless the manifest is of the kind, and has the name, of the path."""
    try:
        manifest = codec.loads(body)
    except ValueError as error:
        raise InvalidArgument(
            f"the body is not valid JSON: {error}", hint="send one manifest as JSON", reason="InvalidJson"
        ) from error
    if not isinstance(manifest, dict):
        raise InvalidArgument("a manifest is a JSON object", hint="send one manifest as JSON")
    if manifest.get("kind") != kind:
        raise InvalidArgument(
            f"kind is {manifest.get('kind')!r}, this path is for {kind!r}",
            field="kind",
            hint=f'write "kind": "{kind}", or use the path of the other kind',
        )
    metadata = manifest.get("metadata")
    given = metadata.get("name") if isinstance(metadata, dict) else None
    if name is not None and given != name:
        raise InvalidArgument(
            f"metadata.name is {given!r}, the path says {name!r}",
            field="metadata.name",
            hint="make both the same",
        )
