"""What clients want of a seed: which runs they start and when, and what they do to them. Pure."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from quarterdeck.runtime.simulation import generated

RUNS = 20
# Seconds within which all runs are started.
SPREAD = 8.0

_FINE = frozenset({"succeeded"})
_FAILS = frozenset({"failed"})


@dataclass(frozen=True, slots=True)
class Scene:
    """A kind of run: how it may end when nobody cancels it. `signals`: payloads of "go" that it is sent."""

    name: str
    kind: str = "Workflow"
    ends: frozenset[str] = _FINE
    signals: int = 0
    output: Any = None


SCENES = (
    Scene("chain"),
    Scene("wiring"),
    Scene("retrying"),
    Scene("catching"),
    Scene("undoing", ends=_FAILS),
    Scene("parked"),
    Scene("mapping"),
    Scene("mapping-tools"),
    Scene("mapping-tolerant"),
    Scene("both"),
    Scene("either"),
    Scene("waiting"),
    Scene("impatient"),
    Scene("listening", signals=2),
    Scene("listening-in-vain"),
    Scene("forever", ends=frozenset({"waiting"})),
    Scene("asking"),
    Scene("asking-in-vain"),
    Scene("guarded"),
    Scene("deep"),
    Scene("brief", ends=frozenset({"timed-out"})),
    Scene("remembering"),
    Scene("bulky"),
    Scene("too-much", ends=_FAILS),
    Scene("calling"),
    Scene("helper", "Agent"),
    Scene("chatty", "Agent"),
    Scene("asker", "Agent"),
    Scene("leader", "Agent"),
)
# Of a map: enough that its results are put together in pages.
MOST_ITEMS = 5
# Wanted only by seeds that aim at it: a map whose results are artifacts.
BULKY_MAP = Scene("mapping-bulky")
# Runs of workflows that were put together by chance.
_ANY = frozenset({"succeeded", "failed", "timed-out"})
_RANDOM = tuple(Scene(f"random-{number}", ends=_ANY) for number in range(generated.COUNT))
_POISON = Scene("poison")
_TALKER = Scene("talker", "Agent")


@dataclass(slots=True)
class Order:
    """One run that a client wants.

    `at`, `cancel_after`, `pause_after`, `fork_after`: seconds. `terminate`: it is not cancelled but ended
    at once. `is_retried`: should it not succeed. `is_impatient`: it is ended when its worker is frozen.
    `is_hasty`: its signals are sent all at once, each twice, while it is paused, resumed, perhaps cancelled.
    `run_id`: as it was accepted, empty until then. `offspring`: its retries and forks. `seed`: for what the
    client does later.
    """

    number: int
    scene: Scene
    at: float
    input: Any
    seed: int
    more: Mapping[str, Any] = field(default_factory=dict)
    cancel_after: float | None = None
    pause_after: float | None = None
    terminate: bool = False
    run_id: str = ""
    is_retried: bool = False
    is_impatient: bool = False
    is_hasty: bool = False
    fork_after: float | None = None
    offspring: list[str] = field(default_factory=list)
    was_refused: bool = False
    was_cancelled: bool = False


def orders_for(chance: random.Random, count: int = RUNS) -> list[Order]:
    """Returns what clients want in one seed."""
    orders: list[Order] = []
    while len(orders) < count:
        roll = chance.random()
        if roll < 0.06:
            orders += _session(chance, len(orders))
        elif roll < 0.10:
            orders += _keyed(chance, len(orders))
        elif roll < 0.103:
            orders.append(_order(chance, len(orders), _POISON))
        else:
            scenes = _RANDOM if chance.random() < 0.4 else SCENES
            orders.append(_order(chance, len(orders), chance.choice(scenes)))
    return orders[:count]


def _order(chance: random.Random, number: int, scene: Scene, **more: Any) -> Order:
    value: Any = {"message": f"run {number}"}
    if scene.name.startswith("mapping"):
        value = {"items": list(range(chance.randint(0, MOST_ITEMS)))}
    if scene is _POISON:
        value = {"times": chance.randint(1, 7)}
    if chance.random() < 0.03:
        value["much"] = "x" * 70_000
    at = SPREAD * chance.random() ** 2
    order = Order(number, scene, at, value, chance.getrandbits(32), more)
    if chance.random() < 0.15:
        order.cancel_after, order.terminate = _moment(chance), chance.random() < 0.3
    elif chance.random() < 0.1:
        order.pause_after = _moment(chance)
    order.is_impatient = chance.random() < 0.4
    order.is_hasty = scene.signals > 0 and chance.random() < 0.5
    order.is_retried = order.is_impatient or chance.random() < 0.5
    order.fork_after = 2 * _moment(chance) if chance.random() < 0.15 else None
    return order


def _moment(chance: random.Random) -> float:
    return float(chance.choice((0.05, 0.5, 2.0, 6.0))) * chance.random()


def _session(chance: random.Random, first: int) -> list[Order]:
    """Turns of one conversation, wanted at about the same time."""
    session = f"session-{first}"
    return [_order(chance, first + index, _TALKER, session=session) for index in range(3)]


def _keyed(chance: random.Random, first: int) -> list[Order]:
    """Runs with one business key."""
    conflict = chance.choice(("queue", "join", "replace", "reject"))
    scene = next(scene for scene in SCENES if scene.name == "waiting")
    more: dict[str, Any] = {"key": f"key-{first}", "key_conflict": conflict}
    if chance.random() < 0.4:  # whoever comes, starts it or signals it
        scene = next(scene for scene in SCENES if scene.name == "listening")
        more["signal"] = {"name": "go", "payload": {"n": 7}}
    return [_order(chance, first + index, scene, **more) for index in range(2)]
