"""A replica that starts in bad weather waits, says what for, and goes on by itself."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from weather_kit.serving import serve

from hack.services import Postgres
from hack.services.databases import administer, beside

DATABASES = ("registry", "agent-runtime")


@pytest.fixture
def running(server: Postgres) -> Postgres:
    """The server, up at the beginning and at the end."""
    if not server.alive():
        server.start()
    return server


@pytest.mark.parametrize("service", DATABASES)
def test_it_waits_for_a_server_that_is_away(service: str, running: Postgres, tmp_path: Path) -> None:
    running.stop()
    with serve(service, tmp_path, running.url) as served:
        served.wait_for_problem("is away")
        assert served.health()[1]["checks"]["start"] == "the service has not started yet"
        running.start()
        served.wait_until_well()
        told = served.events("database.awaited")
        assert [(line["level"], line["reason"]) for line in told][:1] == [("error", "DatabaseAway")]
        assert len(told) <= 2  # refused, and for a moment "is starting up"
        assert len(served.events("database.opened_at_last")) == 1


def test_whoever_waits_can_be_stopped(running: Postgres, tmp_path: Path) -> None:
    running.stop()
    try:
        with serve("registry", tmp_path, running.url) as served:
            served.wait_for_problem("is away")
            served.child.process.send_signal(signal.SIGTERM)
            assert served.child.process.wait(20) == 0
    finally:
        running.start()


def test_it_waits_for_the_right_password_and_never_says_the_wrong_one(
    running: Postgres, tmp_path: Path
) -> None:
    administer(running.url, "CREATE ROLE weather LOGIN SUPERUSER PASSWORD 'another'")
    url = running.url.replace(f"quarterdeck:{running.password}", "weather:not-yet-valid")
    with serve("registry", tmp_path, url) as served:
        served.wait_for_problem("refuses the user or the password")
        administer(running.url, "ALTER ROLE weather PASSWORD 'not-yet-valid'")
        served.wait_until_well()
        assert [line["reason"] for line in served.events("database.awaited")] == ["WrongCredentials"]
        assert "not-yet-valid" not in served.child.text()


def test_it_waits_for_a_schema_of_its_own_release(running: Postgres, tmp_path: Path) -> None:
    """A newer release has been here; then its database is put back."""
    version = "UPDATE registry.alembic_version SET version_num = "
    with serve("registry", tmp_path / "first", running.url) as served:
        served.wait_until_well()
    administer(running.url, "CREATE TABLE public.kept AS SELECT version_num FROM registry.alembic_version")
    administer(running.url, version + "'9999'")
    with serve("registry", tmp_path / "second", running.url) as served:
        served.wait_for_problem("schema revision 9999, which this release does not know")
        assert [line["hint"] for line in served.events("database.awaited")] == [
            "start the release that wrote it, or a newer one"
        ]
        administer(running.url, version + "(SELECT version_num FROM public.kept)")
        served.wait_until_well()


def test_it_says_what_to_run_where_it_may_not_make_its_schema(running: Postgres, tmp_path: Path) -> None:
    administer(running.url, "CREATE ROLE plain LOGIN PASSWORD 'plain'", "CREATE DATABASE empty_one")
    login = running.url.replace(f"quarterdeck:{running.password}", "plain:plain")
    with serve("registry", tmp_path, beside(login, "empty_one")) as served:
        served.wait_for_problem("is not the one this release needs")
        assert [line["hint"] for line in served.events("database.awaited")] == ["run: qd db migrate"]
        administer(running.url, "ALTER ROLE plain SUPERUSER")
        served.wait_until_well()


def test_an_address_that_is_wrong_ends_the_start(tmp_path: Path) -> None:
    with serve("registry", tmp_path, "postgresql://127.0.0.1:1/x?pool=none") as served:
        assert served.child.process.wait(30) != 0
        assert "pool" in served.child.text()
