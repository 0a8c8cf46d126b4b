"""What stands in a run's file: one kind of entry for each thing. Times are Unix time in seconds."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter
from pydantic.alias_generators import to_camel

FORMAT = "quarterdeck.dev/run/v1"
MOST_RUNS = 20_000
# Bytes of an artifact in one entry.
ARTIFACT_PART = 1024 * 1024
# Until the year 3000, and what a column holds.
Moment = Annotated[float, Field(ge=0, le=32_503_680_000)]
Number = Annotated[int, Field(ge=-1, lt=2**31)]
Count = Annotated[int, Field(ge=0, lt=2**63)]


class _Entry(BaseModel):
    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        extra="forbid",
        strict=True,
        frozen=True,
        allow_inf_nan=False,
    )


class Export(_Entry):
    """The first entry: which run it is. `reducer`: the version that its events were written for."""

    type: Literal["export"] = "export"
    format: str
    run: str
    exported_at: Moment
    reducer: int


class Definition(_Entry):
    """A spec that a run pinned."""

    type: Literal["definition"] = "definition"
    revision: str
    kind: Literal["Workflow", "Agent"]
    name: str
    spec: dict[str, Any]


class Closure(_Entry):
    """What a run pinned: {"Kind/name": revision}. Its definitions stand before it."""

    type: Literal["closure"] = "closure"
    closure: str
    revisions: dict[str, str]


class Run(_Entry):
    """A run; the root first, a parent before its children. Its events follow it."""

    type: Literal["run"] = "run"
    id: str
    parent: str
    parent_step: str
    item_index: Number
    depth: Number
    kind: Literal["Workflow", "Agent"]
    name: str
    revision: str
    closure: str
    state: str
    reason: str
    key: str
    session: str
    trigger: str
    labels: dict[str, str]
    principal: str
    forked_from: str
    input: Any = None
    output: Any = None
    error: Any = None
    cost_micro_usd: Count
    tokens: Count
    last_seq: Number
    created_at: Moment
    started_at: Moment | None
    finished_at: Moment | None


class Event(_Entry):
    """One event of the run before it, in the order of their numbers, which begin with 1."""

    type: Literal["event"] = "event"
    seq: int
    event: str
    data: dict[str, Any]
    at: Moment


class Artifact(_Entry):
    """A part of an artifact, in base64. `size`: bytes of the whole; a part begins at `offset`."""

    type: Literal["artifact"] = "artifact"
    digest: str
    size: int
    offset: int
    data: str


class End(_Entry):
    """The last entry: how many of each there are."""

    type: Literal["end"] = "end"
    runs: int
    events: int
    artifacts: int


AnyEntry = Export | Definition | Closure | Run | Event | Artifact | End
_READER: TypeAdapter[AnyEntry] = TypeAdapter(Annotated[AnyEntry, Field(discriminator="type")])


def write_entry(entry: AnyEntry) -> bytes:
    """Returns an entry as JSON; what was never set is left out."""
    # `type` is always said: it is a default.
    return b'{"type":"%s",' % entry.type.encode() + entry.model_dump_json(
        by_alias=True, exclude_unset=True, exclude={"type"}
    ).encode().removeprefix(b"{")


def read_entry(data: bytes) -> AnyEntry:
    """Reads an entry. Raises pydantic's ValidationError, which is a ValueError."""
    return _READER.validate_json(data)
