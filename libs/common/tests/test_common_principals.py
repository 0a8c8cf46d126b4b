"""Who lets principals in: the gateway, and the others take its word."""

import pytest

from quarterdeck.common.access import DoorAuthorizer, LocalAuthorizer
from quarterdeck.common.errors import PermissionDenied
from quarterdeck.common.identity import Principal
from quarterdeck.common.service import open_platform
from quarterdeck.common.settings import PlatformSettings


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
