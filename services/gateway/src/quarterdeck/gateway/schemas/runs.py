"""Runs, journals, effects, triggers and events."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ConfigDict, Field

from quarterdeck.gateway.constants import LARGEST_SEQUENCE
from quarterdeck.gateway.schemas.base import Answer, Page, Request, example

RUN_STATES = (
    "pending",
    "running",
    "waiting",
    "succeeded",
    "failed",
    "cancelled",
    "timed-out",
    "quarantined",
)


class Signal(Request):
    """A signal to a run."""

    model_config = example({"name": "paid", "payload": {"invoice": 17}, "id": "bank-8841"})

    name: str = Field(min_length=1)
    payload: Any = None
    id: str = Field(default="", description="Makes a repeat harmless.")


class StartRun(Request):
    """What to run, on what."""

    model_config = example(
        {
            "kind": "Workflow",
            "name": "match-invoices",
            "input": {"month": "2025-03"},
            "key": "2025-03",
            "keyConflict": "join",
            "labels": {"team": "books"},
        }
    )

    kind: Literal["Workflow", "Agent"]
    name: str = Field(min_length=1)
    input: Any = None
    session: str = Field(default="", description="One turn at a time; earlier turns are its history.")
    key: str = Field(default="", description="Business key, unique among the open runs of a workflow.")
    key_conflict: Literal["reject", "join", "replace", "queue"] | None = None
    labels: dict[str, str] = Field(default_factory=dict)
    priority: int = Field(default=0, ge=-100, le=100)
    signal: Signal | None = Field(default=None, description="Delivered with the start.")


class CancelRun(Request):
    """Why a run should stop."""

    reason: str = ""


class TerminateRun(Request):
    """Why a run is ended at once."""

    reason: str = ""


class PauseRun(Request):
    """Why a run should stand still."""

    reason: str = ""


class ResumeRun(Request):
    """What to do about the effect that a run is parked on, if there is one."""

    model_config = example({"effectId": "e-14", "resolution": "done", "outcome": {"booking": 311}})

    resolution: Literal["", "retry", "done", "fail"] = ""
    outcome: Any = Field(default=None, description='The outcome, required when `resolution` is "done".')
    effect_id: str = ""

    @property
    def says_null_outcome(self) -> bool:
        """Whether the outcome is given, and null."""
        return self.outcome is None and "outcome" in self.model_fields_set


class RepinRun(Request):
    """Move a parked run to the newest revisions."""

    dry_run: bool = False


class ForkRun(Request):
    """Where a new run branches off."""

    before_seq: int = Field(ge=1, le=LARGEST_SEQUENCE, description="The first event that is not copied.")
    dry_run: bool = False


class RetryRun(Request):
    """Go on where a run failed."""

    dry_run: bool = False


class RerunRuns(Request):
    """Which runs to run again."""

    model_config = example(
        {
            "name": "match-invoices",
            "states": ["failed"],
            "createdFrom": "2026-01-31T00:00:00Z",
            "dryRun": True,
        }
    )

    kind: Literal["", "Workflow", "Agent"] = ""
    name: str = ""
    states: list[str] = Field(
        default_factory=list, description="Terminal ones; none: failed, cancelled, timed-out."
    )
    label_selector: str = ""
    created_from: str = Field(default="", description="RFC 3339.")
    created_to: str = Field(default="", description="RFC 3339; not included.")
    from_: Literal["start", "failure"] = Field(
        default="start", alias="from", description="From the beginning, or from the failed step."
    )
    limit: int = Field(default=100, ge=1, le=500, description="Runs a page at most.")
    continue_: str = Field(default="", alias="continue", description="`continue` of the page before.")
    dry_run: bool = False
    confirm: str = Field(default="", description="What the dry run of the same request answered.")


class ArchiveRuns(Request):
    """What to archive."""

    older_than_seconds: int = Field(default=0, ge=0, description="Since the end; 0: the tenant's retention.")
    dry_run: bool = False


class FireTrigger(Request):
    """What the event carried, or which times to make up for."""

    model_config = example({"payload": {"body": {"account": "A-17"}}})

    payload: Any = None
    fire_id: str = Field(default="", description="Makes a repeat harmless.")
    backfill_from: str = Field(default="", description="RFC 3339.")
    backfill_to: str = Field(default="", description="RFC 3339.")


class CloudEvent(Answer):
    """An event in the JSON format of CloudEvents 1.0. Extension attributes are accepted."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "example": {
                "specversion": "1.0",
                "id": "8841",
                "source": "/bank",
                "type": "payment.received",
                "data": {"amount": 120},
            }
        },
    )

    specversion: Literal["1.0"]
    id: str = Field(min_length=1)
    source: str = Field(min_length=1)
    type: str = Field(min_length=1)
    data: Any = None


class Run(Answer):
    """A durable execution."""

    id: str
    tenant: str
    kind: str
    name: str
    revision: str | None
    state: str = Field(description=f"One of: {', '.join(RUN_STATES)}.")
    reason: str | None = Field(description="Why it waits, failed or is quarantined.")
    parent_run_id: str | None
    root_run_id: str | None
    parent_node: str | None
    item_index: int | None
    session: str | None
    key: str | None
    labels: dict[str, str]
    input: Any
    output: Any
    error: dict[str, Any] | None
    last_seq: int
    cost_micro_usd: int = Field(description="Millionths of a US dollar, finished children included.")
    cost_usd: float
    tokens: int
    principal: str | None
    created_at: str | None
    started_at: str | None
    finished_at: str | None
    forked_from: str | None
    open_approvals: int
    trigger: str | None
    archived: str | None = Field(description="Why the journal is archived: retention or import.")


class RunPage(Page[Run]):
    """A page of runs."""


class RunEvent(Answer):
    """One entry of a journal."""

    run_id: str
    seq: int
    type: str
    at: str
    data: Any


class RunEventPage(Page[RunEvent]):
    """A page of a journal; `continue` is the `afterSeq` of the next page."""

    last_seq: int


class Effect(Answer):
    """Something a run did outside, or may have done."""

    run_id: str
    effect_id: str
    step: str
    kind: str
    target: str
    attempt: int
    state: str = Field(description="pending, done, failed, uncertain or abandoned.")
    arguments: Any
    outcome: Any
    cost_micro_usd: int
    intent_seq: int
    outcome_seq: int | None


class EffectPage(Page[Effect]):
    """The effects of a run."""


class Repin(Answer):
    """What a repin did, or would do."""

    run: Run
    changes: list[str]
    problems: list[str] = Field(description="Why the run could not go on; empty when it can.")


class Fork(Answer):
    """What a fork did, or would do."""

    run: Run | None
    copied_events: int
    kept_steps: list[str]
    next_steps: list[str]


class Retry(Answer):
    """What a retry did, or would do."""

    run: Run | None
    kept_events: int
    kept_steps: list[str]
    next_steps: list[str]
    uncertain_steps: list[str] = Field(description="A person is asked before these are repeated.")
    retried_children: int
    kept_children: int


class Rerun(Answer):
    """An old run, and the one that does again what it did."""

    run_id: str
    kind: str
    name: str
    state: str
    new_run_id: str | None
    problem: str | None = Field(description="Why it cannot be run again.")


class RerunPage(Page[Rerun]):
    """What was, or would be, run again."""

    confirm: str | None = Field(description="Send it with the same request to start these runs.")


class Archived(Answer):
    """What was, or would be, archived and collected."""

    runs: int
    events: int
    deleted_runs: int
    artifacts: int


class ImportedRun(Answer):
    """What an import brought."""

    run: Run
    runs: int = Field(description="With the run itself.")
    events: int
    artifacts: int
    original_id: str = Field(description="The run's id where it was exported.")


class Fired(Answer):
    """The runs that a trigger started, or why it started none."""

    runs: list[Run]
    skipped: str | None


class TriggerState(Answer):
    """A trigger's state."""

    name: str
    next_due_at: str | None
    last_fired_at: str | None
    last_run_id: str | None
    paused: bool
    fired: int
    skipped: int


class Published(Answer):
    """How many triggers listened."""

    matched: int
