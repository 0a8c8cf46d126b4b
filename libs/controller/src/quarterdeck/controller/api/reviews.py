"""Questions to the API server about people: who is this, and may they do that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from quarterdeck.controller.api.client import Client
from quarterdeck.controller.api.resource import ACCESS_REVIEWS, TOKEN_REVIEWS


@dataclass(frozen=True, slots=True)
class User:
    """Whom a token stands for, as the API server knows them."""

    name: str
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: dict[str, list[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Question:
    """What somebody wants to do. `verb` and `resource` as in a ClusterRole; empty means not named."""

    verb: str
    group: str
    resource: str
    namespace: str = ""
    name: str = ""
    subresource: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer, with the authoriser's reason if it gave one."""

    allowed: bool
    reason: str = ""


async def review_token(client: Client, token: str, audiences: Sequence[str] = ()) -> User | None:
    """Returns whom `token` stands for, or None if it is not valid for any of `audiences`.

    Raises:
        ApiError: the question could not be answered, which is no denial.
    """
    spec: dict[str, Any] = {"token": token} | ({"audiences": list(audiences)} if audiences else {})
    answer = await client.create(TOKEN_REVIEWS, _review("authentication.k8s.io/v1", "TokenReview", spec))
    status = answer.get("status") or {}
    if not status.get("authenticated"):
        return None
    if audiences and not set(audiences) & set(status.get("audiences") or []):
        # A server that knows no audiences trusts the token for itself only.
        return None
    user = status.get("user") or {}
    return User(
        user.get("username", ""),
        user.get("uid", ""),
        tuple(user.get("groups") or ()),
        user.get("extra") or {},
    )


async def review_access(client: Client, user: User, question: Question) -> Verdict:
    """Asks whether `user` may do what `question` says.

    Raises:
        ApiError: the question could not be answered, which is no denial.
    """
    attributes = {name: getattr(question, name) for name in Question.__slots__}
    spec = {
        "user": user.name,
        "uid": user.uid,
        "groups": list(user.groups),
        "extra": user.extra,
        "resourceAttributes": {name: value for name, value in attributes.items() if value},
    }
    answer = await client.create(
        ACCESS_REVIEWS, _review("authorization.k8s.io/v1", "SubjectAccessReview", spec)
    )
    status = answer.get("status") or {}
    return Verdict(bool(status.get("allowed")) and not status.get("denied"), status.get("reason") or "")


def _review(api_version: str, kind: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": api_version, "kind": kind, "metadata": {}, "spec": spec}
