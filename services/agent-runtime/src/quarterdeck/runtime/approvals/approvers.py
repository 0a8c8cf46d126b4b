"""Who may decide: the live ApprovalPolicy's word. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from quarterdeck.common.errors import FailedPrecondition, InvalidArgument, PermissionDenied
from quarterdeck.common.identity import Principal


def require_enforced(spec: Mapping[str, Any], name: str) -> None:
    """Returns if everything that this ApprovalPolicy asks is kept: else one approval would not be enough.

    Raises:
        FailedPrecondition: it asks for something that is not enforced yet.
    """
    from quarterdeck.resources.approvalpolicy import ApprovalPolicy
    from quarterdeck.resources.enforcement import REASON, not_enforced

    found = not_enforced(ApprovalPolicy.model_validate({"metadata": {"name": name}, "spec": spec}))
    if found:
        raise FailedPrecondition(
            f"ApprovalPolicy {name} asks for what is not enforced: {found[0]}",
            hint="change the policy, then approve; it can be rejected as it is",
            reason=REASON,
        )


def require_approver(spec: Mapping[str, Any] | None, name: str, principal: Principal, comment: str) -> None:
    """Returns if `principal` may decide under this policy.

    An administrator always may; without a policy only an administrator may. An empty list of
    approvers means nobody else, not anybody.

    Raises:
        FailedPrecondition: the policy that the approval names is gone.
        PermissionDenied: not among the approvers.
        InvalidArgument: the policy wants a comment.
    """
    if name and spec is None:
        raise FailedPrecondition(f"ApprovalPolicy {name} does not exist", hint="apply it, then decide")
    spec = spec or {}
    if spec.get("requireComment") and not comment.strip():
        raise InvalidArgument("this policy requires a comment", field="comment")
    if principal.is_platform_admin:
        return
    for approver in spec.get("approvers") or ():
        if approver.get("principal") == principal.subject or approver.get("group") in principal.groups:
            return
    raise PermissionDenied(f"{principal.subject} is no approver under {name or 'this approval'}")
