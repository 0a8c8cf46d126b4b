"""The console's files: open, under a strict policy, and nothing but them."""

import pytest

from quarterdeck.gateway import console_page

WITHOUT_TOKEN = {"Authorization": ""}
PAGE = '<!doctype html><script type="module" src="/console/assets/index-1a2b.js"></script>'


@pytest.fixture
def built(tmp_path):
    directory = tmp_path / "outer" / "dist"
    (directory / "assets").mkdir(parents=True)
    (directory / "index.html").write_text(PAGE)
    (directory / "assets" / "index-1a2b.js").write_text("start()")
    (directory / "notes.txt").write_text("not for the outside")
    (directory.parent / "secret.js").write_text("classified()")
    (directory / "link.js").symlink_to(directory.parent / "secret.js")
    return directory


@pytest.fixture
def gateway_settings(gateway_settings, built):
    return gateway_settings.model_copy(update={"console_dir": built})


async def test_the_page_is_open_and_under_a_strict_policy(house):
    page = await house.client.get("/console/", headers=WITHOUT_TOKEN)
    assert (page.status_code, page.text) == (200, PAGE)
    assert page.headers["content-type"].startswith("text/html")
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "script-src 'self';" in policy and "unsafe" not in policy
    assert page.headers["x-content-type-options"] == "nosniff"
    assert page.headers["x-frame-options"] == "DENY"
    assert page.headers["referrer-policy"] == "no-referrer"
    assert page.headers["cache-control"] == "no-cache"


async def test_assets_have_their_type_and_are_kept(house):
    asset = await house.client.get("/console/assets/index-1a2b.js", headers=WITHOUT_TOKEN)
    assert (asset.status_code, asset.text) == (200, "start()")
    assert asset.headers["content-type"].startswith("text/javascript")
    assert "immutable" in asset.headers["cache-control"]


async def test_the_address_without_a_slash_leads_there(house):
    answer = await house.client.get("/console", headers=WITHOUT_TOKEN)
    assert (answer.status_code, answer.headers["location"]) == (308, "/console/")


@pytest.mark.parametrize(
    "path",
    [
        "no.js",
        "notes.txt",
        "assets",
        "%2e%2e/secret.js",
        "a/%2e%2e/%2e%2e/secret.js",
        "link.js",
        "%00",
        "x" * 999,
    ],
)
async def test_nothing_else_is_served(house, path):
    answer = await house.client.get(f"/console/{path}", headers=WITHOUT_TOKEN)
    assert answer.status_code == 404
    assert "classified" not in answer.text
    assert answer.headers["content-type"] == "application/problem+json"


async def test_it_says_in_one_line_how_to_build_it(house, built):
    (built / "index.html").unlink()
    answer = await house.client.get("/console/", headers=WITHOUT_TOKEN)
    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.text == console_page.NOT_BUILT
    assert "make web" in answer.text and answer.text.count("\n") == 1


def test_a_checkout_has_it_beside_the_services():
    assert (console_page.built_in_tree().parents[1] / "services" / "gateway" / "pyproject.toml").is_file()
