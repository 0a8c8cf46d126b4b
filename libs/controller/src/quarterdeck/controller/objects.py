"""Kubernetes objects as this library handles them: the JSON of the API server, parsed and nothing more.

Objects that come out of a cache are shared by everybody who asks. Read them; copy before you change one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

Object = dict[str, Any]
"""An object as the API server sends it: `apiVersion`, `kind`, `metadata`, and what the kind adds."""


class ObjectKey(NamedTuple):
    """Names an object of a known kind; `namespace` is empty for kinds without one."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


class Owner(NamedTuple):
    """Who controls an object."""

    api_version: str
    kind: str
    name: str
    uid: str


def metadata(thing: Mapping[str, Any]) -> Mapping[str, Any]:
    """Returns the metadata; an empty mapping if there is none."""
    return thing.get("metadata") or {}


def key_of(thing: Mapping[str, Any]) -> ObjectKey:
    """Returns namespace and name."""
    meta = metadata(thing)
    return ObjectKey(meta.get("namespace", ""), meta["name"])


def uid_of(thing: Mapping[str, Any]) -> str:
    """Returns the id that no other object will ever have; empty before the object was created."""
    return str(metadata(thing).get("uid", ""))


def version_of(thing: Mapping[str, Any]) -> str:
    """Returns the resource version, an opaque word."""
    return str(metadata(thing).get("resourceVersion", ""))


def labels_of(thing: Mapping[str, Any]) -> Mapping[str, str]:
    """Returns the labels."""
    return metadata(thing).get("labels") or {}


def annotations_of(thing: Mapping[str, Any]) -> Mapping[str, str]:
    """Returns the annotations."""
    return metadata(thing).get("annotations") or {}


def is_deleting(thing: Mapping[str, Any]) -> bool:
    """True once somebody asked for the object's deletion; finalizers may hold it for a while."""
    return bool(metadata(thing).get("deletionTimestamp"))


def controlling_owner(thing: Mapping[str, Any]) -> Owner | None:
    """Returns the one owner that is marked as the controller, if any."""
    for owner in metadata(thing).get("ownerReferences") or []:
        if owner.get("controller"):
            return Owner(owner["apiVersion"], owner["kind"], owner["name"], owner["uid"])
    return None
