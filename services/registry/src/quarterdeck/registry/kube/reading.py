"""Reads an object as the API server has it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from quarterdeck.controller.objects import Object, annotations_of, metadata
from quarterdeck.registry import manifests
from quarterdeck.registry.manifests import Manifest
from quarterdeck.registry.records import Source

# What kubectl remembers of the last manifest: as large as that, and nobody's business here.
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
# What a status says for good: a registry that has lost its database must find the same tenants.
_KEPT = ("id", "namespace")


def manifest_of(thing: Object) -> Manifest:
    """Returns what the object is to be. Raises InvalidArgument if our schema refuses it."""
    meta = dict(metadata(thing))
    annotations = {name: text for name, text in annotations_of(thing).items() if name != LAST_APPLIED}
    meta = {name: meta[name] for name in ("name", "namespace", "labels", "uid") if name in meta}
    if annotations:
        meta["annotations"] = annotations
    content = {"apiVersion": thing["apiVersion"], "kind": thing["kind"], "metadata": meta}
    return manifests.of_object(content | {"spec": thing.get("spec") or {}})


def source_of(thing: Object) -> Source:
    """Returns what the API server says of the object."""
    meta = metadata(thing)
    return Source(meta["uid"], int(meta.get("generation", 1)), str(meta["creationTimestamp"]))


def kept_status(thing: Object) -> Mapping[str, Any]:
    """Returns the fields of a status that must not be given anew."""
    status = thing.get("status") or {}
    return {name: status[name] for name in _KEPT if name in status}
