"""Names of principals between services: whatever the cluster calls people, nobody gains a group by it."""

import pytest

from quarterdeck.common.access import DoorAuthorizer, admit
from quarterdeck.common.constants import GROUPS_HEADER, PRINCIPAL_HEADER
from quarterdeck.common.errors import PermissionDenied
from quarterdeck.common.identity import Principal
from quarterdeck.common.rpc_client import act_for, call_metadata
from quarterdeck.common.rpc_server import _principal
from quarterdeck.common.service import open_platform
from quarterdeck.common.settings import PlatformSettings
from quarterdeck.v1 import runs_pb2


@pytest.mark.parametrize(
    "principal",
    [
        Principal("local:admin", ("quarterdeck:platform-admins",)),
        Principal("system:serviceaccount:qd-a:anna", ("system:serviceaccounts", "system:authenticated")),
        Principal("josé@example.org", ("CN=Books,OU=Ops", "x,quarterdeck:platform-admins", "100% sure")),
    ],
)
def test_a_principal_arrives_as_it_was_sent(principal):
    act_for(principal)
    try:
        metadata = dict(call_metadata("token"))
    finally:
        act_for(None)
    assert all(value.isascii() and value == value.strip() for value in metadata.values())
    arrived = _principal(metadata, "gateway")
    assert arrived == principal
    assert arrived.is_platform_admin is (principal.subject == "local:admin")


def test_a_service_cannot_be_named_by_writing_it_otherwise():
    with pytest.raises(PermissionDenied):
        _principal({PRINCIPAL_HEADER: "system%3Aservice%3Aregistry", GROUPS_HEADER: ""}, "gateway")


async def test_where_the_cluster_decides_the_gateways_word_is_taken(tmp_path):
    platform = open_platform("registry", PlatformSettings(data_dir=tmp_path, access="kubernetes"))
    try:
        assert isinstance(platform.authorizer, DoorAuthorizer)
        await platform.authorizer.authorize(Principal("anna"), "create", "runs", "acme")
        with pytest.raises(PermissionDenied):
            await platform.authorizer.authorize(Principal(""), "create", "runs", "acme")
    finally:
        await platform.close()


class Named:
    """Allows one name."""

    async def authorize(self, principal, verb, resource, tenant, name=""):
        if name != "mine":
            raise PermissionDenied(f"not {name}")


@pytest.mark.parametrize(
    ("names", "one", "every"),
    [(["mine"], True, True), (["mine", "theirs"], True, False), (["theirs"], False, False)],
)
async def test_a_request_for_several_is_let_in_by_all_of_them_where_nobody_asks_again(names, one, every):
    request = runs_pb2.StartRunsRequest(
        tenant="acme", runs=[runs_pb2.StartRunRequest(name=name) for name in names]
    )
    for rule, allowed in ((False, one), (True, every)):
        asking = admit(Named(), Principal("anna"), "create", "runs", request, every=rule)
        if allowed:
            await asking
        else:
            with pytest.raises(PermissionDenied):
                await asking
