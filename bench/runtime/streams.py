"""How soon a streaming client sees an event: a thousand streams and events a second on one gateway."""

from __future__ import annotations

import sys

from report import Figure

from hack.services.server import free_port
from runtime.baseline import said
from runtime.entrants import field_of
from runtime.servers import Servers
from runtime.services import Running, runtime

STREAMS, SECONDS = 1000, 20
# A pause of the workflow ends in this many events.
EVENTS_OF_A_PAUSE = 4
WANTED_EVENTS = 1000
TARGET_MS, LAG_TARGET_MS = 50.0, 50.0


def streams(servers: Servers) -> list[Figure]:
    """Measures from the moment an event is put into a commit until a client has it: an upper bound."""
    with field_of(servers, "streams") as field:
        data, port = field.directory("data"), free_port()
        ports = {"QD_GATEWAY_HTTP_PORT": str(port), "QD_GATEWAY_GRPC_PORT": "0"}
        with runtime(data, field.database("ours"), ("gateway",), **ports) as running:
            token, pause = (
                (data / "admin-token").read_text().strip(),
                STREAMS * EVENTS_OF_A_PAUSE / WANTED_EVENTS,
            )
            script = ("stream_clients.py", str(port), token, str(pause))
            side = field.add("clients", 1, sys.executable, *script).side
            side.ask(STREAMS, SECONDS)
            answer = side.answer()
            lags = _lags(running)
    rate, late = answer["events"], answer["p99"]
    name = f"event visible to a client, p99, {STREAMS:,} streams on one gateway, {rate:.0f} events/s"
    enough = rate >= 0.9 * WANTED_EVENTS
    target = f"<= {TARGET_MS:g} ms at {WANTED_EVENTS:,}/s"
    return [
        Figure(name, "ms", late, None, "", None, target, late <= TARGET_MS and enough),
        said("the same, median", "ms", answer["p50"]),
        *lags,
    ]


def _lags(running: dict[str, Running]) -> list[Figure]:
    found = []
    for name in ("gateway", "agent-runtime"):
        lag = running[name].lag_ms(0.999)
        target = f"<= {LAG_TARGET_MS:g} ms"
        title = f"loop lag at p99.9 of {name} meanwhile (bucket)"
        found.append(Figure(title, "ms", lag, None, "", None, target, lag <= LAG_TARGET_MS))
    return found
