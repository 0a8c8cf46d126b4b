"""Whether the caller may write: asked of the API server before the registry writes for them."""

from __future__ import annotations

from quarterdeck.common.errors import PermissionDenied
from quarterdeck.common.identity import Principal
from quarterdeck.controller.api.client import Client
from quarterdeck.controller.api.resource import Resource
from quarterdeck.controller.api.reviews import Question, User, review_access


async def require(
    client: Client, who: Principal, verb: str, resource: Resource, namespace: str, name: str
) -> None:
    """Raises PermissionDenied unless `who` may `verb` the object by themselves.

    The registry writes under its own account, which may more than most callers; it impersonates nobody.

    Raises:
        ApiError: the question could not be answered, which is no denial.
    """
    question = Question(verb, resource.group, resource.plural, namespace, name)
    verdict = await review_access(client, User(who.subject, groups=who.groups), question)
    if not verdict.allowed:
        where = f" in namespace {namespace}" if namespace else ""
        why = f": {verdict.reason}" if verdict.reason else ""
        raise PermissionDenied(
            f"{who.subject} may not {verb} {resource}/{name}{where}{why}",
            hint=f"kubectl auth can-i {verb} {resource}/{name} --as {who.subject}",
        )
