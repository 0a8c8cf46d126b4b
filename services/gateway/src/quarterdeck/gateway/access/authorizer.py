"""Answers from the roster: what no role allows is denied."""

from __future__ import annotations

from shlex import quote

from quarterdeck.common.authorization.grants import Verdict, decide
from quarterdeck.common.authorization.rules import Question
from quarterdeck.common.errors import PermissionDenied
from quarterdeck.common.identity import Principal
from quarterdeck.gateway.access.roster import Roster


class RoleAuthorizer:
    """Decides by built-in roles, AccessRoles and AccessBindings."""

    def __init__(self, roster: Roster) -> None:
        self._roster = roster

    async def verdict(self, principal: Principal, question: Question) -> Verdict:
        """See `Judge.verdict`."""
        return decide(self._roster.grants(question.tenant), principal, question)

    async def authorize(
        self, principal: Principal, verb: str, resource: str, tenant: str, name: str = ""
    ) -> None:
        """See `Authorizer.authorize`. The error says what was asked for, and nothing of what there is."""
        question = Question(verb, resource, tenant, name)
        if (await self.verdict(principal, question)).allowed:
            return
        where = f" in tenant {tenant!r}" if tenant else ""
        raise PermissionDenied(
            f"{principal.subject or 'anonymous'} may not {verb} {resource}{where}", hint=explained(question)
        )


def explained(question: Question) -> str:
    """Returns the command that tells why."""
    words = [
        "qd auth explain",
        question.verb,
        question.resource,
        quote(question.name) if question.name else "",
    ]
    words += [f"-n {quote(question.tenant)}"] if question.tenant else ["--platform"]
    return " ".join(word for word in words if word)
