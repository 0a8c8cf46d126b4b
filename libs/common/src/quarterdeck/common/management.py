"""/livez, /health, /health/<part> and /metrics of a service, as plain functions over a `Platform`."""

from __future__ import annotations

import asyncio
from typing import Any

from quarterdeck.common.errors import QuarterdeckError
from quarterdeck.common.service import Platform

CHECK_TIMEOUT = 5.0
# Seconds between two looks of a service at its own parts, for its metrics.
WATCH_PERIOD = 10.0
# Without these a service does its work, more slowly. Alone they do not take it out of service.
# ("runs": of a newer release, which wait for a worker that knows it; "crds": of an older one;
# "tls": connections that are there go on.)
SPARED = frozenset({"redis", "bus", "runs", "crds", "tls"})


async def health(platform: Platform, part: str = "") -> tuple[int, dict[str, Any]]:
    """Returns (HTTP status, body) for one part, or for all of them.

    The body is {"status": "ok" | "degraded" | "failing", "service": …, "checks": {part: "ok" | message}}.
    Degraded, which is 200, means that only parts fail which the service can spare. An unknown part is 404.
    """
    if part and part not in platform.checks:
        return 404, {
            "status": "unknown",
            "service": platform.telemetry.service,
            "detail": f"no health check {part!r}",
        }
    wanted = [part] if part else list(platform.checks)
    results = dict(
        zip(wanted, await asyncio.gather(*(_check(platform, name) for name in wanted)), strict=True)
    )
    status = verdict({name for name, result in results.items() if result != "ok"}, part)
    return (503 if status == "failing" else 200), {
        "status": status,
        "service": platform.telemetry.service,
        "checks": results,
    }


def verdict(failing: set[str], part: str = "") -> str:
    """Returns a service's status by the parts that fail; asked for one part, that one counts in full."""
    if not failing:
        return "ok"
    return "degraded" if not part and failing <= SPARED else "failing"


async def watch_health(platform: Platform) -> None:
    """Looks at a service's parts for ever, so that its metrics know what fails though nobody asks /health."""
    while True:
        await health(platform)
        await asyncio.sleep(WATCH_PERIOD)


async def _check(platform: Platform, name: str) -> str:
    result = await _result(platform, name)
    platform.telemetry.failing.labels(name).set(result != "ok")
    return result


async def _result(platform: Platform, name: str) -> str:
    try:
        async with asyncio.timeout(CHECK_TIMEOUT):
            await platform.checks[name]()
    except TimeoutError:
        return f"no answer within {CHECK_TIMEOUT:g} s"
    except QuarterdeckError as error:
        return error.message
    return "ok"


def metrics(platforms: list[Platform]) -> bytes:
    """Returns the metrics of one or several services in Prometheus text format.

    Services in one process are told apart by a `service` label; families that several of
    them have are merged, since a family may appear only once in an exposition.
    """
    from prometheus_client import CollectorRegistry, generate_latest

    if len(platforms) == 1:
        return generate_latest(platforms[0].telemetry.registry)
    merged = CollectorRegistry()
    merged.register(_Merged(platforms))
    return generate_latest(merged)


class _Merged:
    """A collector that shows the families of several registries with a `service` label added."""

    def __init__(self, platforms: list[Platform]) -> None:
        self._platforms = platforms

    def collect(self) -> Any:
        """Yields each family once."""
        families: dict[str, Any] = {}
        for platform in self._platforms:
            for family in platform.telemetry.registry.collect():
                known = families.setdefault(family.name, family)
                samples = [
                    sample._replace(labels={**sample.labels, "service": platform.name})
                    for sample in family.samples
                ]
                if known is family:
                    family.samples = samples
                else:
                    known.samples.extend(samples)
        return iter(families.values())


def management_app(platform: Platform) -> Any:
    """Returns an ASGI application with /livez, /health, /health/<part> and /metrics.

    /livez asks nobody: it says that the event loop turns, whatever a database or a broker does.
    """
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import JSONResponse, PlainTextResponse, Response
    from starlette.routing import Route

    async def on_health(request: Request) -> JSONResponse:
        status, body = await health(platform, request.path_params.get("part", ""))
        return JSONResponse(body, status)

    async def on_livez(_request: Request) -> PlainTextResponse:
        return PlainTextResponse("ok")

    async def on_metrics(_request: Request) -> Response:
        return Response(metrics([platform]), media_type="text/plain; version=0.0.4")

    return Starlette(
        routes=[
            Route("/livez", on_livez),
            Route("/health", on_health),
            Route("/health/{part}", on_health),
            Route("/metrics", on_metrics),
        ]
    )
