"""What people may do, where the roles of a cluster say so: an RPC is asked for like a request there."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from prometheus_client import Counter

from quarterdeck.common.authorization import grants, rules
from quarterdeck.common.authorization.grants import confined
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
        self._allowed: Answers[_Asked, Verdict] = Answers(clock)

    async def authorize(
        self, principal: Principal, verb: str, resource: str, tenant: str, name: str = ""
    ) -> None:
        """See `Authorizer.authorize`. Raises Unavailable where it is not known and cannot be asked."""
        question = rules.Question(verb, resource, tenant, name)
        refusal = confined(principal, question)
        if refusal is not None:
            raise PermissionDenied(f"{principal.subject} may not {verb} {resource}", hint=refusal.reason)
        if principal.is_platform_admin or principal.is_service:
            return
        asking = await self._asking(principal, question)
        if self._allowed.get(asking, FRESH) is None and not await self._allows(asking, resource):
            where = f" in tenant {tenant!r}" if tenant else ""
            hint = _hint(asking.question, principal)
            raise PermissionDenied(f"{principal.subject} may not {verb} {resource}{where}", hint=hint)

    async def verdict(self, principal: Principal, question: rules.Question) -> grants.Verdict:
        """See `Judge.verdict`: in the cluster's own words, asked anew."""
        if principal.is_platform_admin or principal.is_service or confined(principal, question):
            return grants.decide((), principal, question)
        asking = await self._asking(principal, question)
        try:
            found = await asked(review_access(self._client, _user(principal), asking.question), PERMISSION)
        except Unanswered as away:
            raise away.error from None
        return grants.Verdict(found.allowed, found.reason or "no role of the cluster allows it")

    async def _asking(self, principal: Principal, question: rules.Question) -> _Asked:
        namespace = await self._namespace_of(question.tenant) if question.tenant else ""
        plural, _, sub = question.resource.partition("/")
        return _Asked(principal, Question(question.verb, API_GROUP, plural, namespace, question.name, sub))

    async def _allows(self, asking: _Asked, resource: str) -> bool:
        began, kind = self._clock(), (asking.question.verb, resource)
        try:
            asks = review_access(self._client, _user(asking.principal), asking.question)
            verdict = await asked(asks, PERMISSION)
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


def _user(principal: Principal) -> User:
    return User(principal.subject, groups=principal.groups)


def _hint(question: Question, principal: Principal) -> str:
    what = f"{question.resource}.{question.group}"
    what += f"/{question.name}" if question.name else ""
    words = ["kubectl auth can-i", question.verb, what]
    words += [f"--subresource={question.subresource}"] if question.subresource else []
    words += [f"-n {question.namespace}"] if question.namespace else []
    return " ".join([*words, f"--as {principal.subject}"])
