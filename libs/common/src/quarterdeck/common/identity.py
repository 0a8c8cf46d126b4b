"""Principals, and what a handler may know about its caller. How either is proven: `proofs`."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING

from quarterdeck.common.authorization.rules import Rule
from quarterdeck.common.constants import PLATFORM_ADMINS, SERVICE_PRINCIPAL_PREFIX
from quarterdeck.common.errors import Unauthenticated

if TYPE_CHECKING:
    from quarterdeck.common.proofs.holders import RunClaim

# The only service that lets principals in.
DOOR = "gateway"


@dataclass(frozen=True, slots=True)
class Principal:
    """A person or program: a subject and its groups.

    The subject is its full name, that of who vouches for it included (`corp:anna`, `account:nightly`): two
    issuers have no name in common. The same holds for groups.

    Attributes:
        tenant: the only tenant where it may do anything; empty: wherever a role allows it.
        scopes: what it is narrowed to, by the key that it came with; empty: not narrowed.
    """

    subject: str
    groups: tuple[str, ...] = ()
    tenant: str = ""
    scopes: tuple[Rule, ...] = ()

    @property
    def is_platform_admin(self) -> bool:
        """True for members of the platform administrators."""
        return PLATFORM_ADMINS in self.groups

    @property
    def is_service(self) -> bool:
        """True for a service acting for itself."""
        return self.subject.startswith(SERVICE_PRINCIPAL_PREFIX)


def service_principal(name: str) -> Principal:
    """Returns the principal of a service acting for itself."""
    return Principal(SERVICE_PRINCIPAL_PREFIX + name)


@dataclass(frozen=True, slots=True)
class CallContext:
    """What a handler may know about its caller.

    Attributes:
        run: the run that it is called for, proven by the runtime; None for everybody else.
    """

    service: str
    principal: Principal
    method: str = ""
    run: RunClaim | None = None


_current: ContextVar[CallContext | None] = ContextVar("quarterdeck_call", default=None)


def current_call() -> CallContext:
    """Returns the context of the RPC being served. Raises Unauthenticated outside of one."""
    context = _current.get()
    if context is None:
        raise Unauthenticated("no caller: this code runs outside an RPC")
    return context


def set_current_call(context: CallContext | None) -> None:
    """Sets the caller for this task. Only the server's interceptor and tests do."""
    _current.set(context)
