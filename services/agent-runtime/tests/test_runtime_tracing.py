"""One trace a tree of runs, whoever advances it; a line of the log about each that ends."""

import structlog
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from structlog.contextvars import get_contextvars

from quarterdeck.common.telemetry import Telemetry
from quarterdeck.common.tracing import current_traceparent, id_generator
from quarterdeck.runtime.testing.harness import Harness
from quarterdeck.runtime.tracing import RunEnd, end_listener, place_of_run

SPECS = {
    "Workflow/parent": {
        "nodes": [
            {
                "name": "own",
                "tool": {"server": "s", "name": "look", "arguments": {}},
                "next": [{"to": "below"}],
            },
            {"name": "below", "workflow": {"name": "child"}},
        ]
    },
    "Workflow/child": {"nodes": [{"name": "own", "tool": {"server": "s", "name": "look", "arguments": {}}}]},
}


def recording():
    exporter, provider = InMemorySpanExporter(), TracerProvider(id_generator=id_generator())
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    telemetry = Telemetry("agent-runtime")
    telemetry.use_tracer(provider.get_tracer("test"))
    return exporter, telemetry


async def test_a_tree_of_runs_is_one_trace(tmp_path):
    seen = []

    async def look(arguments):
        seen.append((current_traceparent().split("-")[1:3], get_contextvars()))

    exporter, telemetry = recording()
    async with Harness(tmp_path, specs=SPECS, tools={"s/look": look}) as h:
        h.engine.told_end = end_listener(telemetry)
        with structlog.testing.capture_logs() as lines:
            # Whatever trace the request has: the run has its own, which a later worker finds again.
            with telemetry.span("request"):
                run = await h.start("Workflow", "parent")
            await h.wait(run, "succeeded")
            await h.until(lambda: ended(exporter, 3))
    trace = run.replace("-", "")
    (own, names), (below, names_below) = seen
    assert own == [trace, trace[16:]] and below[0] == trace and below[1] != own[1]
    assert (names["run_id"], names["tenant"]) == (run, "default") and names_below["run_id"] != run
    spans = {span.name: span for span in exporter.get_finished_spans()}
    parent, child = spans["workflow parent"], spans["workflow child"]
    assert f"{parent.context.trace_id:032x}" == f"{child.context.trace_id:032x}" == trace
    assert parent.parent is None and child.parent.span_id == parent.context.span_id
    assert f"{child.context.span_id:016x}" == below[1]
    assert child.attributes["quarterdeck.run.id"] == names_below["run_id"]
    [line] = [one for one in lines if one["event"] == "run.ended" and one["log_level"] == "info"]
    assert (line["run_id"], line["tenant"], line["outcome"]) == (run, "default", "succeeded")


async def ended(exporter, count):
    return len(exporter.get_finished_spans()) >= count


async def test_a_terminated_run_is_told_too(tmp_path):
    exporter, telemetry = recording()
    specs = {"Workflow/w": {"nodes": [{"name": "wait", "wait": {"duration": "1h"}}]}}
    async with Harness(tmp_path, specs=specs) as h:
        h.engine.told_end = end_listener(telemetry)
        run = await h.start("Workflow", "w")
        await h.wait(run, "waiting")
        await h.terminate(run)
        await h.until(lambda: ended(exporter, 1))
    [span] = exporter.get_finished_spans()
    assert span.attributes["quarterdeck.run.outcome"] == "cancelled"


def test_an_id_of_another_make_costs_the_trace_and_nothing_else():
    assert not place_of_run("r1", "r1").is_valid
    exporter, telemetry = recording()
    end_listener(telemetry)(RunEnd("r1", "r1", "", "default", "Agent", "a", "failed", 1.0, 2.0))
    assert not exporter.get_finished_spans()
