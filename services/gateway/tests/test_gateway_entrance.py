"""The door, the probes, and what is said about a method that a path does not have."""

import pytest

from quarterdeck.common.errors import Unavailable
from quarterdeck.gateway.allowed import allowed_methods
from quarterdeck.gateway.app import ROUTES

T = "/api/v1/tenants/default"
NOBODY = {"Authorization": ""}


async def test_the_door_says_where_things_are(house):
    found = (await house.client.get("/", headers=NOBODY)).json()
    assert found["name"] == "Quarterdeck"
    for place in ("api", "documentation", "openapi", "health"):
        assert (await house.client.get(found[place])).status_code == 200


@pytest.mark.parametrize("path", ["/api/v1", "/api/v1/"])
async def test_the_api_says_what_it_has(house, path):
    found = (await house.client.get(path, headers=NOBODY)).json()
    assert found["version"] == "v1"
    assert {"/api/v1/tenants", "/api/v1/tenants/{tenant}/runs"} <= set(found["paths"])
    for template in found["paths"]:
        assert allowed_methods(ROUTES, template.replace("{tenant}", "t")) != (), template


async def test_anybody_may_ask_where_to_sign_in(house):
    answer = await house.client.get("/api/v1/auth/providers", headers=NOBODY)
    assert (answer.status_code, answer.json()) == (200, {"items": []})


async def test_probes_tell_a_process_that_lives_from_one_that_serves(house):
    assert (await house.client.get("/livez", headers=NOBODY)).json() == {"status": "ok"}
    assert (await house.client.get("/readyz", headers=NOBODY)).status_code == 200

    async def broken():
        raise Unavailable("the disk is gone")

    house.platform.checks["db"] = broken
    assert (await house.client.get("/livez", headers=NOBODY)).status_code == 200
    ready = await house.client.get("/readyz", headers=NOBODY)
    assert ready.status_code == 503 and "the disk is gone" in ready.text


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PATCH", f"{T}/agents", "GET, POST"),
        ("POST", f"{T}/agents/a", "DELETE, GET, PUT"),
        ("PUT", f"{T}/runs", "GET, POST"),
        ("DELETE", "/health", "GET"),
        ("POST", "/", "GET"),
    ],
)
async def test_a_wrong_method_is_told_the_right_ones(house, method, path, allowed):
    response = await house.client.request(method, path)
    assert response.status_code == 405
    assert response.headers["allow"] == allowed
    assert response.json()["hint"] == f"use {' or '.join(allowed.split(', '))}"
