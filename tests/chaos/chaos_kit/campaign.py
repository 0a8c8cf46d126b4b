"""Breaks a deployment with several workers on real servers; a ledger outside judges what came of it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from random import Random
from typing import Any, TypeVar
from urllib.request import urlopen

from e2e_kit.process import clean_environment
from e2e_kit.shapes import serving

from chaos_kit.database import Database
from chaos_kit.deployment import Deployment
from chaos_kit.evidence import gather
from chaos_kit.faults import FAULTS, KILL, strike
from chaos_kit.forking import fork_server
from chaos_kit.judging import Verdict, judge
from chaos_kit.load import Load, manifests
from chaos_kit.packets import Packets
from chaos_kit.proxy import Proxy
from chaos_kit.takeovers import TakeOvers
from chaos_kit.weather import Weather
from hack.services import Postgres, RabbitMQ, Redis
from hack.services.server import Server

HERE = Path(__file__).resolve().parents[1]
# Seconds between two starts of runs, between two faults, and until all that was accepted has to be over.
START_PERIOD = 0.25
CALM_SECONDS = 2.0
# Runs that are accepted before the first fault: a kill of an idle worker says nothing.
WARM_RUNS = 6
SETTLE_SECONDS = 300.0

Kind = TypeVar("Kind", bound=Server)


@contextmanager
def server_of(kind: type[Kind], folder: Path) -> Iterator[Kind]:
    """A server of this campaign alone, removed at the end."""
    server = kind.create(folder)
    try:
        yield server
    finally:
        server.remove()


@contextmanager
def outside_ledger(folder: Path) -> Iterator[str]:
    """The judge's ledger. Yields its URL."""
    command = [sys.executable, str(HERE / "servers/outside_ledger.py"), str(folder / "outside.db")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
    finally:
        process.kill()
        process.wait()


def schedule(kills: int, others: int, chance: Random, names: Iterable[str] = FAULTS) -> list[str]:
    """Returns the faults in the order in which they will happen: kills, and every other fault in between."""
    faults = [KILL] * kills + [name for name in names if name != KILL for _ in range(others)]
    chance.shuffle(faults)
    return faults


def campaign(
    faults: Sequence[str],
    workers: int,
    seed: int,
    screens: Path,
    packets: Packets | None = None,
    period: float = START_PERIOD,
) -> tuple[Verdict, Weather, float]:
    """Runs the campaign. Returns the verdict, what was done, and how long all of it took (seconds).

    Args:
        screens: where the output of the processes is left.
        packets: of the network namespace that this process has for itself.
        period: seconds between two starts of runs.
    """
    began, chance = time.monotonic(), Random(seed)
    with ExitStack() as held:
        folder = Path(held.enter_context(tempfile.TemporaryDirectory(prefix="qd-chaos-")))
        folder.chmod(0o711)
        postgres = held.enter_context(server_of(Postgres, folder))
        held.callback(_keep_screens, folder / "data-screen", postgres.log, screens)
        broker = held.enter_context(server_of(RabbitMQ, folder))
        redis = held.enter_context(server_of(Redis, folder))
        ledger = held.enter_context(outside_ledger(folder))
        proxy = Proxy(("127.0.0.1", postgres.port)).start()
        held.callback(proxy.stop)
        urls = {"QD_DATABASE_URL": postgres.url, "QD_BUS_URL": broker.url, "QD_CACHE_URL": redis.url}
        through = {"QD_DATABASE_URL": postgres.url.replace(f":{postgres.port}/", f":{proxy.port}/")}
        forks = held.enter_context(fork_server(clean_environment(folder / "data")))
        deployment = Deployment(folder / "data", workers, urls, through, forks)
        held.enter_context(serving(deployment))
        database = Database(postgres.url)
        held.callback(database.close)
        servers = (postgres, broker, redis, database)
        weather = Weather(deployment, proxy, *servers, TakeOvers(database), chance, packets)
        verdict = _storm(weather, faults, ledger, period)
    return verdict, weather, time.monotonic() - began


def _keep_screens(source: Path, postgres: Path, target: Path) -> None:
    shutil.rmtree(target, ignore_errors=True)
    if source.exists():
        shutil.copytree(source, target)
        shutil.copy(postgres, target / "postgres.txt")


def _storm(weather: Weather, faults: Sequence[str], ledger: str, period: float) -> Verdict:
    deployment = weather.deployment
    with deployment.client() as client:
        for manifest in manifests(ledger):
            _apply(client, manifest)
    load = Load(deployment.endpoint["url"], deployment.token, period)
    load.start()
    load.wait_for(WARM_RUNS)
    for number, name in enumerate(faults, 1):
        time.sleep(CALM_SECONDS)
        at = time.strftime("%H:%M:%S")
        strike(weather, name)
        print(f"{at} {number}/{len(faults)} {name}; {len(load.accepted)} runs accepted", flush=True)
    load.stop()
    deployment.wait_until_healthy()
    weather.take_overs.join()
    with deployment.client() as client:
        runs, uncertain = gather(client, load.accepted, SETTLE_SECONDS)
    entries = [entry for entry, _ in json.load(urlopen(f"{ledger}/entries", timeout=60))]
    return judge(load.accepted, runs, entries, uncertain, weather.deaths)


def _apply(client: Any, manifest: dict[str, Any]) -> None:
    plurals = {"MCPServer": "mcpservers", "Policy": "policies", "Workflow": "workflows"}
    path = f"{plurals[manifest['kind']]}/{manifest['metadata']['name']}"
    answer = client.request("PUT", path, json=manifest)
    assert answer.is_success, answer.text
