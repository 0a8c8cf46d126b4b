"""The door: who gets in, and that nothing is left open."""

import stat

import pytest
from fastapi.routing import APIRoute

from quarterdeck.common.errors import Unauthenticated, Unavailable
from quarterdeck.gateway.app import make_routes
from quarterdeck.gateway.authentication import LOCAL_ADMIN, Authenticator, admin_token
from quarterdeck.gateway.config import GatewaySettings
from quarterdeck.gateway.constants import LOOPBACK_PATHS, OPEN_PATHS, OPEN_PREFIXES


def test_the_token_is_made_once_and_only_for_its_owner(tmp_path):
    token = admin_token(tmp_path)
    path = tmp_path / "admin-token"
    assert token.startswith("qd_") and len(token) > 40
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.chmod(0o644)
    assert admin_token(tmp_path) == token
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [item.name for item in tmp_path.iterdir()] == ["admin-token"]


def test_a_file_without_a_token_is_an_error_that_says_what_to_do(tmp_path):
    (tmp_path / "admin-token").write_text("\n")
    with pytest.raises(Unavailable) as caught:
        admin_token(tmp_path)
    assert "admin-token" in caught.value.message
    assert "delete it" in caught.value.hint


async def test_only_a_hash_is_kept():
    authenticator = Authenticator({"qd_secret": LOCAL_ADMIN})
    assert "qd_secret" not in repr(vars(authenticator))
    assert await authenticator.authenticate("Bearer qd_secret") == LOCAL_ADMIN
    assert await authenticator.authenticate("bearer qd_secret") == LOCAL_ADMIN


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer ", "Basic qd_secret", "Bearer qd_other", "qd_secret"]
)
async def test_everything_else_is_refused(header):
    with pytest.raises(Unauthenticated) as caught:
        await Authenticator({"qd_secret": LOCAL_ADMIN}).authenticate(header)
    assert "qd_secret" not in caught.value.message
    assert "admin-token" in caught.value.hint


def all_routes(house):
    """Returns (method, path) of every route, with its parameters filled."""
    app = make_routes(house.gateway._parts)
    routes = [route for route in app.routes if isinstance(route, APIRoute)]
    assert len(routes) == len(app.routes)
    for route in routes:
        path = route.path_format
        for name in route.param_convertors:
            path = path.replace(f"{{{name}}}", "workflows" if name == "plural" else "x")
        yield from ((method, path) for method in route.methods)


async def test_every_route_needs_a_token_but_those_that_are_listed(house):
    checked, opened = 0, set()
    for method, path in all_routes(house):
        response = await house.client.request(method, path, headers={"Authorization": "Bearer qd_wrong"})
        if path in OPEN_PATHS | LOOPBACK_PATHS or path.startswith(OPEN_PREFIXES):
            assert response.status_code != 401, path
            opened.add(path)
            continue
        assert response.status_code == 401, (method, path)
        assert response.headers["content-type"] == "application/problem+json"
        assert response.headers["www-authenticate"].startswith("Bearer")
        checked += 1
    assert checked > 45
    assert opened == {
        "/health", "/health/x", "/metrics", "/docs", "/docs/start.js", "/docs/x", "/openapi.json",
        "/console", "/console/x", "/", "/api/v1", "/api/v1/", "/livez", "/readyz",
        *(f"/api/v1/auth/{name}" for name in ("providers", "login", "callback", "logout")),
    }  # fmt: skip


@pytest.mark.parametrize(
    "path", ["/api", "/nothing", "/api/v1/accounts/7/analyze", "/healthy", "/docs2", "/x//docs/"]
)
async def test_unknown_paths_say_nothing_without_a_token(house, path):
    response = await house.client.get(path, headers={"Authorization": ""})
    assert response.status_code == 401


async def test_metrics_are_closed_when_others_can_connect(house):
    from quarterdeck.gateway.middleware.authenticate import Authenticate

    door = Authenticate(None, None, lambda method, path: False, GatewaySettings(host="0.0.0.0"), None)
    assert not door._is_open("/metrics")
    assert door._is_open("/health")


@pytest.mark.parametrize(
    ("host", "inside"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("door", False)],
)
def test_loopback_is_told_from_the_rest(gateway_settings, host, inside):
    assert gateway_settings.model_copy(update={"host": host}).on_loopback is inside
