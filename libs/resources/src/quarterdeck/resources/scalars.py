"""The strings and numbers that fields are made of, each with its bounds.

Patterns are written in the subset that Python's `re`, RE2 and ECMAScript read alike, because the same text
goes into the CRDs and JSON Schemas. Every one is anchored at both ends.
"""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, StringConstraints
from pydantic.json_schema import WithJsonSchema

NAME_PATTERN = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
NODE_NAME_PATTERN = "^[A-Za-z][-_A-Za-z0-9]*$"
TOOL_NAME_PATTERN = "^[A-Za-z0-9_][-A-Za-z0-9_./]*$"
DURATION_PATTERN = "^([0-9]{1,5}d)?([0-9]{1,6}h)?([0-9]{1,7}m)?([0-9]{1,9}s)?([0-9]{1,9}ms)?$"
HOST_PATTERN = "^([*][.])?[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*(:[0-9]{1,5})?$"
PATH_PATTERN = "^/[-A-Za-z0-9_.~{}/]*$"
URL_PATTERN = "^https?://[^ ]+$"
ENV_NAME_PATTERN = "^[A-Za-z_][A-Za-z0-9_]*$"
EXPRESSION_PATTERN = "^[$][{](.|\\n)*[}]$"

MAX_TEMPLATE = 16_384

Name = Annotated[str, StringConstraints(min_length=1, max_length=63, pattern=NAME_PATTERN)]
"""An object's name: lower case letters, digits and `-`, as in a DNS label."""

NodeName = Annotated[str, StringConstraints(min_length=1, max_length=63, pattern=NODE_NAME_PATTERN)]
"""A node's name; without `-` it can be written as `nodes.name` in expressions."""

ToolName = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=TOOL_NAME_PATTERN)]
"""A tool's name as its server gives it."""

Duration = Annotated[str, StringConstraints(min_length=2, max_length=48, pattern=DURATION_PATTERN)]
"""A length of time like `30s`, `5m`, `1h30m`, `7d`, `250ms`; see `durations.duration_seconds`."""

Text = Annotated[str, StringConstraints(max_length=4_096)]
"""Text for people."""

Label = Annotated[str, StringConstraints(max_length=253)]
"""A short string."""

NonEmpty = Annotated[str, StringConstraints(min_length=1, max_length=1_024)]
"""A short string that must hold something."""

TemplateText = Annotated[str, StringConstraints(max_length=MAX_TEMPLATE)]
"""Text in which `${…}` is evaluated."""

Condition = Annotated[str, StringConstraints(min_length=4, max_length=4_200, pattern=EXPRESSION_PATTERN)]
"""Exactly one `${…}`."""

Url = Annotated[str, StringConstraints(min_length=8, max_length=2_048, pattern=URL_PATTERN)]
Host = Annotated[str, StringConstraints(min_length=1, max_length=253, pattern=HOST_PATTERN)]
RoutePath = Annotated[str, StringConstraints(min_length=1, max_length=512, pattern=PATH_PATTERN)]
EnvName = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=ENV_NAME_PATTERN)]

FREE = {"x-kubernetes-preserve-unknown-fields": True}
Json = Annotated[Any, WithJsonSchema(FREE)]
"""Any JSON value; its strings may hold `${…}` where the field says so."""

JsonObject = Annotated[
    dict[str, Any], Field(max_length=512), WithJsonSchema({"type": "object", "maxProperties": 512, **FREE})
]
"""A JSON object of any shape."""


def _without_nulls(value: Any) -> Any:
    """Drop the null entries of a map, as the API server does."""
    if isinstance(value, dict):
        return {key: item for key, item in value.items() if item is not None}
    return value


WITHOUT_NULLS = BeforeValidator(_without_nulls)

StringMap = Annotated[
    dict[str, Annotated[str, StringConstraints(max_length=4_096)]], Field(max_length=128), WITHOUT_NULLS
]
"""Strings by name."""

Usd = Annotated[float, Field(gt=0, le=1_000_000)]
"""An amount in US dollars."""

Tokens = Annotated[int, Field(ge=1, le=10_000_000_000)]
"""A number of model tokens."""
