"""What people may do, where the roles of a cluster say so: an RPC is asked for like a request there."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from prometheus_client import Counter

from quarterdeck.common.access import Authorizer, LocalAuthorizer
from quarterdeck.common.constants import API_GROUP
from quarterdeck.common.errors import PermissionDenied
from quarterdeck.common.identity import Principal
from quarterdeck.controller.api.client import Client
from quarterdeck.controller.api.reviews import Question, User, Verdict, review_access
from quarterdeck.gateway.cluster.answers import FRESH, STANDING, Answers, Unanswered, asked

NamespaceOf = Callable[[str], Awaitable[str]]
"""Returns the namespace of a tenant. Raises NotFound."""

PERMISSION = "create subjectaccessreviews.authorization.k8s.io"
READS = frozenset({"get", "list", "watch", "search"})
# What goes on while the API server is away, besides reads.
GOES_ON = frozenset({("create", "runs"), ("call", "tools/call")})
# What is asked each time.
NEVER_KEPT = frozenset({("decide", "approvals/decide")})


class _Asked(NamedTuple):
    principal: Principal
    question: Question


class ClusterAuthorizer:
    """Asks the API server by SubjectAccessReview, for everybody but the local administrator and ourselves.

    Args:
        standing: counts what was allowed because it had been, while nobody answered.
        clock: seconds that only grow.
    """

    def __init__(
        self,
        client: Client,
        namespace_of: NamespaceOf,
        standing: Counter,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._namespace_of = namespace_of
        self._standing = standing
        self._clock = clock
        self._local: Authorizer = LocalAuthorizer()
        self._allowed: Answers[_Asked, Verdict] = Answers(clock)

    async def authorize(
        self, principal: Principal, verb: str, resource: str, tenant: str, name: str = ""
    ) -> None:
        """See `Authorizer.authorize`. Raises Unavailable where it is not known and cannot be asked."""
        if principal.is_platform_admin or principal.is_service:
            await self._local.authorize(principal, verb, resource, tenant, name)
            return
        namespace = await self._namespace_of(tenant) if tenant else ""
        plural, _, sub = resource.partition("/")
        asking = _Asked(principal, Question(verb, API_GROUP, plural, namespace, name, sub))
        if self._allowed.get(asking, FRESH) is None and not await self._allows(asking, resource):
            where = f" in tenant {tenant!r}" if tenant else ""
            hint = _hint(asking.question, principal)
            raise PermissionDenied(f"{principal.subject} may not {verb} {resource}{where}", hint=hint)

    async def _allows(self, asking: _Asked, resource: str) -> bool:
        began, kind = self._clock(), (asking.question.verb, resource)
        user = User(asking.principal.subject, groups=asking.principal.groups)
        try:
            verdict = await asked(review_access(self._client, user, asking.question), PERMISSION)
        except Unanswered as away:
            if not goes_on(*kind) or self._allowed.get(asking, STANDING) is None:
                raise away.error from None
            self._standing.labels("access").inc()
            return True
        if verdict.allowed and kind not in NEVER_KEPT:
            self._allowed.put(asking, verdict, began)
        elif not verdict.allowed:
            self._allowed.drop(asking)
        return verdict.allowed


def goes_on(verb: str, resource: str) -> bool:
    """True for what an allow of some minutes ago still stands for while the API server is away."""
    return verb in READS or (verb, resource) in GOES_ON


def _hint(question: Question, principal: Principal) -> str:
    what = f"{question.resource}.{question.group}"
    what += f"/{question.name}" if question.name else ""
    words = ["kubectl auth can-i", question.verb, what]
    words += [f"--subresource={question.subresource}"] if question.subresource else []
    words += [f"-n {question.namespace}"] if question.namespace else []
    return " ".join([*words, f"--as {principal.subject}"])
