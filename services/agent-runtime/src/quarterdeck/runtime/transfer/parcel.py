"""A run's file, read: what is in it, and whether it holds together."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field

from quarterdeck.common import codec
from quarterdeck.common.artifacts import PREFIX
from quarterdeck.common.errors import FailedPrecondition
from quarterdeck.runtime import events as ev
from quarterdeck.runtime.bounds import check_labels
from quarterdeck.runtime.constants import REDUCER_VERSION
from quarterdeck.runtime.reducer import UnknownEvent, fold
from quarterdeck.runtime.store.archives import Entry
from quarterdeck.runtime.transfer.chain import ChainReader, refused
from quarterdeck.runtime.transfer.entries import (
    FORMAT,
    MOST_RUNS,
    AnyEntry,
    Artifact,
    Closure,
    Definition,
    End,
    Event,
    Export,
    Run,
)


@dataclass(slots=True)
class Parcel:
    """The contents of a file. `seal`: the last hash of its chain."""

    head: Export
    seal: str = ""
    definitions: dict[str, Definition] = field(default_factory=dict)
    closures: dict[str, dict[str, str]] = field(default_factory=dict)
    runs: dict[str, Run] = field(default_factory=dict)
    journals: dict[str, list[Entry]] = field(default_factory=dict)
    artifacts: dict[str, bytearray] = field(default_factory=dict)

    @property
    def events(self) -> int:
        """How many events all runs have."""
        return sum(map(len, self.journals.values()))


def open_parcel(data: bytes) -> Parcel:
    """Reads a file. May take long; not for the event loop.

    Raises:
        InvalidArgument: it is not as it was exported, or does not hold together.
        FailedPrecondition: it was written by a newer release.
    """
    reader = ChainReader(data)
    entries = reader.entries()
    parcel = Parcel(_head(next(entries, None)))
    end: End | None = None
    for entry in entries:
        if end is not None:
            raise refused("something follows the end")
        if isinstance(entry, End):
            end = entry
        else:
            _put(parcel, entry)
    _require_whole(parcel, end)
    parcel.seal = reader.link.decode()
    return parcel


def _head(entry: AnyEntry | None) -> Export:
    if not isinstance(entry, Export):
        raise refused("it does not begin as a run's file does")
    if entry.format != FORMAT or entry.reducer > REDUCER_VERSION:
        raise FailedPrecondition(
            f"the file has the format {entry.format} with events of version {entry.reducer}; "
            f"this release reads {FORMAT} up to version {REDUCER_VERSION}",
            field="file",
            hint="import it into a newer release",
        )
    return entry


def _put(parcel: Parcel, entry: AnyEntry) -> None:
    match entry:
        case Definition():
            _definition(parcel, entry)
        case Closure():
            _closure(parcel, entry)
        case Run():
            _run(parcel, entry)
        case Event():
            _event(parcel, entry)
        case Artifact():
            _artifact(parcel, entry)
        case _:
            raise refused("it begins twice")


def _definition(parcel: Parcel, entry: Definition) -> None:
    if entry.revision in parcel.definitions:
        raise refused(f"definition {entry.revision} is there twice")
    parcel.definitions[entry.revision] = entry


def _closure(parcel: Parcel, entry: Closure) -> None:
    for key, revision in entry.revisions.items():
        found = parcel.definitions.get(revision)
        if found is None or f"{found.kind}/{found.name}" != key:
            raise refused(f"closure {entry.closure} names {revision} for {key}, which the file has not")
    parcel.closures[entry.closure] = entry.revisions


def _run(parcel: Parcel, entry: Run) -> None:
    _require_journal(parcel)
    if len(parcel.runs) == MOST_RUNS:
        raise refused(f"it holds more than {MOST_RUNS} runs")
    expected = entry.id not in parcel.runs and (
        entry.parent in parcel.runs if parcel.runs else (entry.id, entry.parent) == (parcel.head.run, "")
    )
    if not expected:
        raise refused(f"run {entry.id} stands where it does not belong")
    if f"{entry.kind}/{entry.name}" not in parcel.closures.get(entry.closure, {}):
        raise refused(f"run {entry.id} pins a closure that the file has not")
    check_labels(entry.labels)
    parcel.runs[entry.id] = entry
    parcel.journals[entry.id] = []


def _event(parcel: Parcel, entry: Event) -> None:
    journal = next(reversed(parcel.journals.values()), None)
    if journal is None or entry.seq != len(journal) + 1:
        raise refused(f"event {entry.seq} stands where it does not belong")
    journal.append((entry.seq, entry.event, codec.dumps(entry.data).decode(), entry.at))


def _artifact(parcel: Parcel, entry: Artifact) -> None:
    known = parcel.artifacts.setdefault(entry.digest, bytearray())
    if entry.offset != len(known):
        raise refused(f"a part of artifact {entry.digest} is missing")
    try:
        known += base64.b64decode(entry.data, validate=True)
    except ValueError as error:
        raise refused(f"artifact {entry.digest} cannot be read: {error}") from None


def _require_journal(parcel: Parcel) -> None:
    """Raises InvalidArgument unless the last run's journal is whole and can be folded."""
    if not parcel.runs:
        return
    run_id, run = next(reversed(parcel.runs.items()))
    journal = parcel.journals[run_id]
    if len(journal) != run.last_seq:
        raise refused(f"run {run_id} has {run.last_seq} events; the file has {len(journal)}")
    try:
        fold(run_id, (ev.Event(kind, codec.loads(data), at) for _, kind, data, at in journal))
    except UnknownEvent as error:
        raise FailedPrecondition(f"run {run_id}: {error}", hint="import it into a newer release") from None
    except Exception as error:  # whatever a fold meets in an event of another shape
        raise refused(f"the journal of run {run_id} cannot be read: {error!r}") from None


def _require_whole(parcel: Parcel, end: End | None) -> None:
    _require_journal(parcel)
    found = (len(parcel.runs), parcel.events, len(parcel.artifacts))
    if end is None or not parcel.runs or (end.runs, end.events, end.artifacts) != found:
        raise refused("the file is cut short")
    for digest, data in parcel.artifacts.items():
        if PREFIX + hashlib.sha256(data).hexdigest() != digest:
            raise refused(f"artifact {digest} is not what its digest says")
