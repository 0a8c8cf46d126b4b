"""Names of principals between services: whatever the cluster calls people, nobody gains a group by it."""

import pytest

from quarterdeck.common.access import DoorAuthorizer, LocalAuthorizer
from quarterdeck.common.constants import GROUPS_HEADER, PRINCIPAL_HEADER
from quarterdeck.common.errors import PermissionDenied
from quarterdeck.common.identity import Principal
from quarterdeck.common.rpc_client import act_for, call_metadata
from quarterdeck.common.rpc_server import _principal
from quarterdeck.common.service import open_platform
from quarterdeck.common.settings import PlatformSettings


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


@pytest.mark.parametrize("access", ["local", "kubernetes"])
async def test_services_take_the_gateways_word(tmp_path, access):
    platform = open_platform("registry", PlatformSettings(data_dir=tmp_path, access=access))
    try:
        assert isinstance(platform.authorizer, DoorAuthorizer)
        await platform.authorizer.authorize(Principal("anna"), "create", "runs", "acme")
        with pytest.raises(PermissionDenied):
            await platform.authorizer.authorize(Principal(""), "create", "runs", "acme")
    finally:
        await platform.close()


async def test_the_door_is_closed_until_it_knows_who_may_come_in(tmp_path):
    platform = open_platform("gateway", PlatformSettings(data_dir=tmp_path))
    try:
        assert isinstance(platform.authorizer, LocalAuthorizer)
        with pytest.raises(PermissionDenied):
            await platform.authorizer.authorize(Principal("anna"), "create", "runs", "acme")
    finally:
        await platform.close()
