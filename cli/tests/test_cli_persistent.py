"""A start that the database interrupts begins again; one that anything else interrupts does not."""

import pytest

from quarterdeck.cli import persistent
from quarterdeck.cli.errors import CliError
from quarterdeck.cli.persistent import Persistent, passes
from quarterdeck.common.errors import NotFound, Unavailable

SERVER, FILE = "postgresql://127.0.0.1/x", "sqlite:///x.db"


class Start:
    """Fails as often as it is told, by what it is told."""

    def __init__(self, causes):
        self.causes, self.made, self.started = list(causes), 0, 0

    def make(self):
        self.made += 1
        return self

    async def start(self):
        self.started += 1
        if self.causes:
            raise CliError("it did not start") from self.causes.pop(0)

    async def stop(self, grace):
        self.stopped = grace


def away():
    return Unavailable("away", reason="DatabaseAway")


async def test_a_start_that_a_server_interrupts_begins_anew(monkeypatch):
    monkeypatch.setattr(persistent, "PAUSE", 0.0)
    start = Start([away(), away()])
    service = Persistent(start.make, SERVER)
    await service.start()
    assert (start.made, start.started) == (3, 3)
    await service.stop(1.5)
    assert start.stopped == 1.5


@pytest.mark.parametrize("cause", [NotFound("gone"), Unavailable("no bus"), OSError("port"), None])
async def test_what_time_does_not_mend_ends_it(cause):
    start = Start([cause])
    with pytest.raises(CliError):
        await Persistent(start.make, SERVER).start()
    assert start.started == 1


def test_a_file_is_not_waited_for():
    assert passes(SERVER, away())
    assert not passes(FILE, away())
    assert not passes(SERVER, Unavailable("url", reason="DatabaseAway", field="database_url"))
