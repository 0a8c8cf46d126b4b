"""What a service's management port says, and where services look for each other's keys."""

from __future__ import annotations

from pathlib import Path

import httpx

from quarterdeck.common.errors import Unavailable
from quarterdeck.common.management import management_app
from quarterdeck.common.service import open_platform
from quarterdeck.common.settings import PlatformSettings


async def _away() -> None:
    raise Unavailable("the database is away")


async def test_a_service_is_alive_though_its_database_is_away(tmp_path: Path) -> None:
    platform = open_platform("registry", PlatformSettings(data_dir=tmp_path / "data"))
    platform.checks["db"] = _away
    transport = httpx.ASGITransport(management_app(platform))
    try:
        async with httpx.AsyncClient(transport=transport, base_url="http://management") as client:
            assert (await client.get("/livez")).status_code == 200
            health = await client.get("/health")
    finally:
        await platform.close()
    assert (health.status_code, health.json()["checks"]["db"]) == (503, "the database is away")


async def test_services_with_data_of_their_own_share_a_directory_of_keys(tmp_path: Path) -> None:
    shared = tmp_path / "keys"
    one = open_platform("registry", PlatformSettings(data_dir=tmp_path / "one", keys_directory=shared))
    two = open_platform("gateway", PlatformSettings(data_dir=tmp_path / "two", keys_directory=shared))
    try:
        assert one.keys.find(two.identity.key_id) is not None
        assert two.keys.find(one.identity.key_id) is not None
    finally:
        await one.close()
        await two.close()
    assert list(shared.rglob("*.json")) == []
