"""Every public method of gRPC, from the descriptors, with messages and with other bytes, as everybody."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from security_kit.guarded import NOBODY, PEOPLE, Guarded
from security_kit.messages import messages

from quarterdeck.gateway.methods import Method, method_table

EXAMPLES = int(os.environ.get("QD_TEST_SECURITY", "2"))
METHODS = [method for method in method_table().values() if method.requirement.public]
OURS = {grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN, grpc.StatusCode.DATA_LOSS}
SECONDS = 3.0


@pytest.fixture(scope="module")
def channel(guarded: Guarded) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(guarded.grpc) as channel:
        yield channel


def told(
    guarded: Guarded, channel: grpc.Channel, method: Method, request: bytes, who: str
) -> tuple[Any, str]:
    """Returns the status of a call and all that its refusal says."""
    metadata = [(name.lower(), value) for name, value in guarded.headers(who).items()]
    try:
        if method.streams:
            call = channel.unary_stream(method.path)(request, metadata=metadata, timeout=0.5)
            next(call, None)
            call.cancel()
        else:
            channel.unary_unary(method.path)(request, metadata=metadata, timeout=SECONDS)
    except grpc.RpcError as error:
        trailers = b" ".join(
            v if isinstance(v, bytes) else v.encode() for _, v in error.trailing_metadata() or ()
        )
        return error.code(), f"{error.details()} {trailers.decode('utf-8', 'replace')}"
    return grpc.StatusCode.OK, ""


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.path.rpartition("/")[2])
def test_grpc(method: Method, guarded: Guarded, channel: grpc.Channel) -> None:
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize="QD_TEST_SECURITY" not in os.environ,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.data())
    def fuzz(data: st.DataObject) -> None:
        known = data.draw(messages(method.request.DESCRIPTOR)).SerializeToString()
        for request in (known, data.draw(st.binary(max_size=40))):
            for who in PEOPLE:
                code, text = told(guarded, channel, method, request, who)
                assert code not in OURS, (who, code, text, request)
                assert not guarded.leaks(text), (who, guarded.leaks(text), text, request)
                assert (code == grpc.StatusCode.UNAUTHENTICATED) is (who == NOBODY), (who, code, text)

    fuzz()


def test_all_of_them_are_asked() -> None:
    assert len(METHODS) > 30
