"""Kind `Trigger`: what starts runs."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from quarterdeck.resources.metadata import Resource, Status, Timestamp
from quarterdeck.resources.model import Model
from quarterdeck.resources.reserved_paths import PATH_IS_FREE
from quarterdeck.resources.rules import exactly_one
from quarterdeck.resources.scalars import (
    Condition,
    Duration,
    Json,
    Label,
    Name,
    RoutePath,
    TemplateText,
    Text,
)
from quarterdeck.resources.secret_sources import SecretSource

Schedule = Annotated[str, StringConstraints(min_length=5, max_length=128)]
TimeZone = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern="^[A-Za-z0-9_+/-]+$")]
EventType = Annotated[str, StringConstraints(min_length=1, max_length=253, pattern="^[A-Za-z0-9_.*-]+$")]


class Target(Model):
    """What is run."""

    kind: Literal["Workflow", "Agent"] = Field(description="Its kind.")
    name: Name = Field(description="Its name.")


class Cron(Model):
    """By the clock."""

    schedule: Schedule = Field(
        description="Five cron fields, or @hourly, @daily, @weekly, @monthly, @yearly."
    )
    time_zone: TimeZone = Field("UTC", description="The IANA time zone the schedule is read in.")
    overlap: Literal["allow", "skip", "queue", "replace"] = Field(
        "skip", description="What happens when the run before is not done yet."
    )
    catch_up: Duration = Field("1h", description="A start that was missed is made up for this long after.")


class HttpRoute(Model):
    """By a request to a path of the tenant."""

    RULES = (PATH_IS_FREE,)

    path: RoutePath = Field(description="The path; `{name}` parts appear in `request.path`.")
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = Field("POST", description="The method.")


class Webhook(Model):
    """By a signed request (Standard Webhooks)."""

    RULES = (PATH_IS_FREE,)

    path: RoutePath = Field(description="The path.")
    secret_ref: SecretSource = Field(description="The signing secret.")
    tolerance: Duration = Field("5m", description="How old or how far ahead a signature's time may be.")


class EventSource(Model):
    """By an event on the bus."""

    type: EventType = Field(description="The event's type; `*` for any part.")
    filter: Condition | None = Field(None, description="Over `event`; absent: every event of the type.")


class TriggerSpec(Model):
    """A cause and what it starts."""

    RULES = (exactly_one("cron", "http", "webhook", "event"),)

    description: Text = Field("", description="What it is for.")
    target: Target = Field(description="What is run.")
    input: Json = Field(
        None,
        description="A template over `trigger` and `request` or `event`; absent: the body or event data.",
    )
    key: TemplateText | None = Field(None, description="A template; the run's business key.")
    cron: Cron | None = Field(None, description="By the clock.")
    http: HttpRoute | None = Field(None, description="By a request.")
    webhook: Webhook | None = Field(None, description="By a signed request.")
    event: EventSource | None = Field(None, description="By an event on the bus.")
    paused: bool = Field(False, description="Whether it is held.")
    service_account: Label | None = Field(
        None, description="The tenant's service account that the runs act for; absent: `triggers`."
    )


class TriggerStatus(Status):
    """What the platform found about a trigger."""

    next_time: Timestamp | None = Field(None, description="When it is due next.")
    last_time: Timestamp | None = Field(None, description="When it last started a run.")
    last_run: Label | None = Field(None, description="The run it last started.")


class Trigger(Resource):
    """Starts runs: by the clock, a route, a signed webhook or an event."""

    kind: Literal["Trigger"] = Field("Trigger", description="Trigger.")
    spec: TriggerSpec = Field(description="What starts what.")
    status: TriggerStatus | None = Field(None, description="What the platform found.")
