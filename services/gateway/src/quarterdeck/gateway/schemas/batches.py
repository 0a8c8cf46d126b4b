"""Many starts in one request."""

from __future__ import annotations

from pydantic import Field

from quarterdeck.gateway.constants import BATCH_RUNS
from quarterdeck.gateway.schemas.base import Answer, Problem, Request, example
from quarterdeck.gateway.schemas.runs import StartRun


class BatchedRun(StartRun):
    """One of them."""

    idempotency_key: str = Field(
        default="", max_length=255, description="Without one, it follows from the batch's and its place."
    )


class StartRuns(Request):
    """What to run, on what, many times."""

    model_config = example(
        {
            "runs": [
                {"kind": "Workflow", "name": "match-invoices", "input": {"month": "2025-03"}},
                {"kind": "Workflow", "name": "match-invoices", "input": {"month": "2025-04"}},
            ]
        }
    )

    runs: list[BatchedRun] = Field(min_length=1, max_length=BATCH_RUNS)


class StartedRun(Answer):
    """What became of one of them."""

    id: str | None = Field(description="Null when it was refused.")
    existed: bool = Field(description="There before: by its idempotency key, or an open run that it joined.")
    error: Problem | None = Field(description="What starting it alone would have been answered with.")


class StartedRuns(Answer):
    """One item for each run of the request, in its order."""

    items: list[StartedRun]
    refused: int = Field(description="How many of them were refused.")
