"""The demo as a client of a running platform: apply, start or go on, watch, tell the result."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from quarterdeck.cli.api import Api
from quarterdeck.cli.applying import Applied, apply_manifest, await_verdicts, check_verdicts
from quarterdeck.cli.constants import ENDED_STATES, EXIT_TIMEOUT
from quarterdeck.cli.demo.example import WORKFLOW, Example
from quarterdeck.cli.demo.result import Result, read_counts, read_score, result_lines
from quarterdeck.cli.demo.screen import open_screen
from quarterdeck.cli.demo.watching import Watched, Watcher
from quarterdeck.cli.errors import CliError
from quarterdeck.cli.follow import say_outcome
from quarterdeck.cli.kinds import find_kind
from quarterdeck.cli.manifests import LocalManifest, read_manifests
from quarterdeck.cli.output import say
from quarterdeck.cli.resources_show import condition, kind_path
from quarterdeck.cli.run_start import start_run

KEY = "demo"
READY_TIMEOUT = 60.0
CANCEL_TIMEOUT = 60.0
OPEN = "pending,running,waiting,quarantined"
RULES = "playbook: deterministic rules, not a language model"


def tell(api: Api, example: Example, fresh: bool, stays_up: bool) -> None:
    """Runs the demo. Raises CliError with a reason when the run does not come to its result.

    Args:
        fresh: cancel a run that is open and begin a new one.
        stays_up: the platform goes on after the demo.
    """
    manifests = [example.with_ledger(item) for item in read_manifests([str(example.manifests)])]
    apply_all(api, manifests)
    say(f"Model: {model_in_use(api)}")
    chosen, began = choose_run(api, example, fresh), time.monotonic()
    with open_screen() as screen:
        watched = Watcher(api, str(chosen.run["id"]), screen).watch()
    if watched.run["state"] in ENDED_STATES:
        say_outcome(watched.run)
    result = collect(api, example, watched, time.monotonic() - began, chosen.went_on)
    for line in ("", *result_lines(result), *next_steps(watched, stays_up)):
        say(line)


def apply_all(api: Api, manifests: Sequence[LocalManifest]) -> None:
    """Applies the example and waits until all of it is ready. Raises CliError if it does not get ready."""
    applied = [apply_manifest(api, manifest) for manifest in manifests]
    await_verdicts(api, applied)
    check_verdicts(applied)
    changed = sum(item.outcome != "unchanged" for item in applied)
    say(f"Applied {len(applied)} resources ({changed} changed)")
    await_ready(api, applied)


def await_ready(api: Api, applied: Sequence[Applied], timeout: float = READY_TIMEOUT) -> None:
    """Waits until every object says Ready. Raises CliError that names one that does not, and why."""
    deadline = time.monotonic() + timeout
    waiting = list(applied)
    while True:
        for item in waiting:
            item.object = api.get(kind_path(api, find_kind(item.manifest.kind), item.manifest.name))
        waiting = [item for item in waiting if not _is_ready(item.object)]
        if not waiting:
            return
        if time.monotonic() > deadline:
            raise _not_ready(waiting)
        time.sleep(0.1)


def _is_ready(found: dict[str, Any]) -> bool:
    return condition(found, "Ready").get("status") == "True"


def _not_ready(waiting: Sequence[Applied]) -> CliError:
    reasons = [
        f"{item.manifest.reference}: {condition(item.object, 'Ready').get('message') or 'no condition yet'}"
        for item in waiting
    ]
    return CliError(
        f"{len(waiting)} resources did not get ready",
        details=reasons,
        hint=f"see `qd describe {waiting[0].manifest.reference}` and `qd logs`",
        code=EXIT_TIMEOUT,
    )


def model_in_use(api: Api) -> str:
    """Returns in words which model answers, so that nobody takes rules for a language model."""
    tiers = api.get(api.tenant_path("models")).get("items", [])
    for tier in tiers:
        if tier.get("route") == "default" and not tier.get("problem"):
            return RULES if tier.get("provider") == "playbook" else f"{tier['provider']} {tier['model']}"
    problems = "; ".join(str(tier.get("problem")) for tier in tiers if tier.get("problem"))
    raise CliError(f"no model can answer: {problems or 'the route `default` has no tier'}")


@dataclass(frozen=True, slots=True)
class Chosen:
    """The run that is shown: one that was open and goes on, or a new one."""

    run: dict[str, Any]
    went_on: bool


def choose_run(api: Api, example: Example, fresh: bool) -> Chosen:
    """Returns the open run of the example, or starts one on a fresh ledger."""
    path = api.tenant_path("runs")
    base = {"kind": "Workflow", "name": WORKFLOW, "roots": "true"}
    found = list(api.pages(path, {**base, "state": OPEN}, 1))
    if found and not fresh:
        say(f"Going on with run {found[0]['id']} ({found[0]['state']})")
        return Chosen(found[0], went_on=True)
    if found:
        _cancel(api, found[0])
    earlier = list(api.pages(path, base, 1))
    kept = example.put_ledger_away(str(earlier[0]["id"]) if earlier else "before")
    if kept is not None:
        say(f"The ledger of the run before is kept in {_shown(kept)}")
    run = start_run(
        api,
        ("Workflow",),
        WORKFLOW,
        {"input": example.input(), "key": KEY, "keyConflict": "join", "labels": {"demo": WORKFLOW}},
    )
    say(f"Started run {run['id']}")
    return Chosen(run, went_on=False)


def _cancel(api: Api, run: dict[str, Any]) -> None:
    """Cancels the open run and waits for its end, since it may still write to the ledger until then."""
    api.post(api.tenant_path("runs", run["id"], "cancel"), {"reason": "the demo begins anew"})
    deadline = time.monotonic() + CANCEL_TIMEOUT
    while api.get(api.tenant_path("runs", run["id"]))["state"] not in ENDED_STATES:
        if time.monotonic() > deadline:
            raise CliError(f"run {run['id']} did not end after its cancellation", code=EXIT_TIMEOUT)
        time.sleep(0.2)
    say(f"Cancelled run {run['id']}")


def collect(api: Api, example: Example, watched: Watched, seconds: float, went_on: bool) -> Result:
    """Returns the result of a run that came to rest."""
    run_id = str(watched.run["id"])
    approvals = list(api.pages(api.tenant_path("approvals"), {"state": "open", "run": run_id}))
    run = api.get(api.tenant_path("runs", run_id))
    cost, tokens = float(run.get("costUsd") or 0), int(run.get("tokens") or 0)
    score = read_score(example)
    return Result(read_counts(api), cost, tokens, seconds, went_on, len(approvals), score)


def next_steps(watched: Watched, stays_up: bool) -> list[str]:
    """Returns what to type next."""
    run_id, qd = watched.run["id"], shown_program()
    lines = [""]
    if watched.run["state"] not in ENDED_STATES:
        lines.append(f"Run {run_id} waits for a person. Type next:")
    else:
        lines.append(f"Run {run_id} {watched.run['state']}. Type next:")
    if not stays_up:
        lines.append(
            "  make up                             # serves the same data; then, in another terminal:"
        )
    if watched.run["state"] not in ENDED_STATES:
        lines.append(f"  {qd} approvals list")
        lines.append(f"  {qd} approvals show APPROVAL        # what would be booked, and why it asks")
        lines.append(f"  {qd} approvals approve APPROVAL     # books it")
    lines.append(f"  {qd} runs list --parent {run_id} --limit 5")
    lines.append(f"  {qd} logs {run_id}")
    lines.append("  make demo NEW=1                     # cancels this run and begins anew on a fresh ledger")
    return lines


def shown_program() -> str:
    """Returns how a person calls us from here: "qd", or its path when it is not on the PATH."""
    if shutil.which("qd"):
        return "qd"
    local = Path(".venv") / "bin" / "qd"
    return str(local) if local.exists() else "qd"


def _shown(path: Path) -> str:
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
