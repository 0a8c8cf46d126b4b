"""Our errors as gRPC status with google.rpc details, and back."""

from __future__ import annotations

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.rpc import error_details_pb2, status_pb2

from quarterdeck.common.errors import BY_STATUS, Internal, InvalidArgument, QuarterdeckError, Unavailable

DOMAIN = "quarterdeck.dev"
DETAILS_KEY = "grpc-status-details-bin"


def code_of(error: QuarterdeckError) -> int:
    """Returns the number of an error's gRPC status."""
    code: int = error.status.value[0]
    return code


def to_trailers(error: QuarterdeckError) -> tuple[tuple[str, bytes], ...]:
    """Returns the trailing metadata that carries an error's details."""
    status = status_pb2.Status(code=code_of(error), message=error.message)
    info = error_details_pb2.ErrorInfo(
        reason=error.reason, domain=DOMAIN, metadata={"hint": error.hint, "field": error.field}
    )
    status.details.append(_packed(info))
    if isinstance(error, InvalidArgument) and error.violations:
        bad = error_details_pb2.BadRequest()
        for path, message in error.violations:
            bad.field_violations.add(field=path, description=message)
        status.details.append(_packed(bad))
    if error.retry_after:
        delay = duration_pb2.Duration(
            nanos=int(error.retry_after * 1e9) % 1_000_000_000, seconds=int(error.retry_after)
        )
        status.details.append(_packed(error_details_pb2.RetryInfo(retry_delay=delay)))
    return ((DETAILS_KEY, status.SerializeToString()),)


def _packed(
    message: error_details_pb2.ErrorInfo | error_details_pb2.BadRequest | error_details_pb2.RetryInfo,
) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(message)
    return packed


def from_rpc_error(error: grpc.aio.AioRpcError) -> QuarterdeckError:
    """Returns our error for a failed call, with the details the server sent."""
    cls = Unavailable if _broke_off(error) else BY_STATUS.get(error.code(), Internal)
    info, violations, retry_after = _details(error)
    message = error.details() or error.code().name
    hint, field = info.metadata.get("hint", ""), info.metadata.get("field", "")
    if issubclass(cls, InvalidArgument):
        return cls(message, field=field, hint=hint, reason=info.reason, violations=violations)
    return cls(message, field=field, hint=hint, reason=info.reason, retry_after=retry_after)


def _broke_off(error: grpc.aio.AioRpcError) -> bool:
    """True when the peer left in the middle of a call: who stops cancels what was not answered.

    (A call that we cancel ourselves raises CancelledError and never comes here.)
    """
    removed = error.code() is grpc.StatusCode.UNKNOWN and "Stream removed" in (error.details() or "")
    return removed or error.code() is grpc.StatusCode.CANCELLED


def _details(
    error: grpc.aio.AioRpcError,
) -> tuple[error_details_pb2.ErrorInfo, list[tuple[str, str]], float]:
    info, violations, retry_after = error_details_pb2.ErrorInfo(), [], 0.0
    for key, value in error.trailing_metadata() or ():
        if key != DETAILS_KEY or not isinstance(value, bytes):
            continue
        for detail in status_pb2.Status.FromString(value).details:
            bad, retry = error_details_pb2.BadRequest(), error_details_pb2.RetryInfo()
            if detail.Unpack(info):
                continue
            if detail.Unpack(bad):
                violations = [(item.field, item.description) for item in bad.field_violations]
            elif detail.Unpack(retry):
                retry_after = retry.retry_delay.seconds + retry.retry_delay.nanos / 1e9
    return info, violations, retry_after
