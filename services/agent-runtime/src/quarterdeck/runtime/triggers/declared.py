"""What a Trigger object declares, read once from its spec. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from quarterdeck.common import codec
from quarterdeck.common.authorization.accounts import account_of
from quarterdeck.resources.durations import duration_seconds
from quarterdeck.runtime.triggers.cron import Schedule

SOURCES = ("cron", "http", "webhook", "event")
# Overlap rules.
ALLOW, SKIP, QUEUE, REPLACE = "allow", "skip", "queue", "replace"


@dataclass(frozen=True, slots=True)
class Declared:
    """A trigger: its source, its target and its templates.

    Args:
        schedule: of a cron trigger, else None.
        catch_up: how late a cron trigger's start may be, in seconds.
        event_type: of an event trigger; `*` stands for any text.
        event_filter: a condition over `event`, or empty.
    """

    source: str
    target_kind: str
    target_name: str
    input: Any
    key: str
    paused: bool
    service_account: str
    schedule: Schedule | None = None
    overlap: str = ALLOW
    catch_up: float = 0.0
    event_type: str = ""
    event_filter: str = ""

    @property
    def clock(self) -> Schedule | None:
        """The schedule that is in force: None while it is paused."""
        return None if self.paused else self.schedule


def source_of(spec: Mapping[str, Any]) -> str:
    """Returns which of the four sources a spec has. Raises ValueError if it has none."""
    for source in SOURCES:
        if spec.get(source):
            return source
    raise ValueError("a trigger has one of cron, http, webhook and event")


def read(spec: Mapping[str, Any]) -> Declared:
    """Reads a spec that the registry accepted. Raises KeyError or ValueError for any other."""
    cron, event = spec.get("cron") or {}, spec.get("event") or {}
    schedule = Schedule(cron["schedule"], cron.get("timeZone") or "UTC") if cron else None
    return Declared(
        source=source_of(spec),
        target_kind=spec["target"]["kind"],
        target_name=spec["target"]["name"],
        input=spec.get("input"),
        key=spec.get("key") or "",
        paused=bool(spec.get("paused")),
        service_account=account_of(spec),
        schedule=schedule,
        overlap=(cron.get("overlap") or SKIP) if cron else ALLOW,
        catch_up=duration_seconds(cron.get("catchUp") or "1h"),
        event_type=event.get("type") or "",
        event_filter=event.get("filter") or "",
    )


def read_json(spec: bytes) -> Declared:
    """Reads a spec as the database holds it. Raises KeyError or ValueError."""
    return read(codec.loads(spec))


def listens(declared: Declared, event_type: str) -> bool:
    """True if an event trigger wants events of a type; `*` in its own stands for any text."""
    pattern = ".*".join(re.escape(part) for part in declared.event_type.split("*"))
    return re.fullmatch(pattern, event_type, re.DOTALL) is not None
