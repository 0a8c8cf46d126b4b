"""The shape of a playbook document: YAML in, checked models out. What the fields mean is in docs/playbook.md.

Only the shape is checked here. Expressions, patterns and functions are compiled in `compiler`.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from quarterdeck.llm.errors import PlaybookInvalid
from quarterdeck.llm.playbook import limits
from quarterdeck.llm.playbook.convert import ISO_DATE, DecimalMark

FieldType = Literal["string", "number", "integer", "cents", "date"]
Name = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=64)]
"""A name that an expression can use."""

Label = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=128)]


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Reading(_Shape):
    """How the text of a match becomes a value."""

    type: FieldType = "string"
    formats: list[str] = Field(default=[ISO_DATE], min_length=1, max_length=20)
    decimal: DecimalMark = "auto"


class ExtractField(Reading):
    """One value to find in a text."""

    patterns: list[str] = Field(min_length=1, max_length=limits.PATTERNS_PER_FIELD)
    all: bool = False
    groups: dict[str, Reading | FieldType] = Field(default_factory=dict)


class Extract(_Shape):
    """Values to find in one text."""

    source: Any = Field(alias="from")
    fields: dict[Name, ExtractField] = Field(min_length=1)


class Call(_Shape):
    """One tool call, or one for each of `items`."""

    tool: str = Field(min_length=1, max_length=128)
    arguments: dict[str, Any] = Field(default_factory=dict)
    items: Any = None


class _Steps(_Shape):
    extract: list[Extract] = Field(default_factory=list)
    let: dict[Name, Any] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _one_extract_is_a_list_of_one(cls, data: Any) -> Any:
        if isinstance(data, dict) and isinstance(data.get("extract"), dict):
            return {**data, "extract": [data["extract"]]}
        return data


class Rule(_Steps):
    """When it applies, what it works out, and the one thing it does."""

    name: Label
    when: str | bool = True
    call: list[Call] | None = Field(default=None, min_length=1, max_length=limits.CALLS_PER_TURN)
    answer: Any = None
    say: str | None = None

    @property
    def action(self) -> str:
        """`call`, `answer` or `say`."""
        return next(name for name in ("call", "answer", "say") if name in self.model_fields_set)

    @model_validator(mode="after")
    def _exactly_one_action(self) -> Rule:
        given = sorted(self.model_fields_set & {"call", "answer", "say"})
        if len(given) != 1:
            raise ValueError(f"needs exactly one of call, answer, say; has {', '.join(given) or 'none'}")
        return self


class AgentRules(_Steps):
    """The rules of one agent, tried in order; `extract` and `let` here are worked out before them."""

    rules: list[Rule] = Field(min_length=1, max_length=limits.RULES_PER_AGENT)

    @model_validator(mode="after")
    def _rule_names_differ(self) -> AgentRules:
        names = [rule.name for rule in self.rules]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two rules have the name {twice[0]!r}")
        return self


class Document(_Shape):
    """A whole playbook."""

    kind: Literal["Playbook"]
    name: Label
    description: str = ""
    agents: dict[Label, AgentRules] = Field(min_length=1, max_length=limits.AGENTS)


def parse_document(source: str | bytes) -> Document:
    """Read a playbook from YAML (or JSON); raises `PlaybookInvalid` with the path of the first problem."""
    size = len(source.encode() if isinstance(source, str) else source)
    if size > limits.DOCUMENT_BYTES:
        raise PlaybookInvalid(f"the document has {size} bytes; at most {limits.DOCUMENT_BYTES} are allowed")
    try:
        _refuse_aliases(source)
        data = yaml.load(source, _PlainLoader)
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as problem:
        raise PlaybookInvalid(f"not readable as YAML: {' '.join(str(problem).split())}") from problem
    try:
        return Document.model_validate(data)
    except ValidationError as problem:
        raise _first_problem(problem) from problem


# libyaml's parser where PyYAML was built with it: a large document takes milliseconds instead of a second.
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _PlainLoader(_Loader):  # type: ignore[misc] # one of two classes, known at run time
    """YAML as JSON has it: text that looks like a date stays text."""

    yaml_implicit_resolvers: ClassVar[dict[str, Any]] = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


def _refuse_aliases(source: str | bytes) -> None:
    """An alias lets a small file stand for a huge value, so there are none."""
    for event in yaml.parse(source, _PlainLoader):
        if isinstance(event, yaml.AliasEvent):
            where = f"line {event.start_mark.line + 1}: " if event.start_mark else ""
            raise PlaybookInvalid(f"{where}aliases (*name) are not allowed")


def _first_problem(problem: ValidationError) -> PlaybookInvalid:
    errors = problem.errors(include_url=False, include_context=False)
    first = errors[0]
    more = f" (and {len(errors) - 1} more problems)" if len(errors) > 1 else ""
    message = first["msg"].removeprefix("Value error, ")
    return PlaybookInvalid(f"{message}{more}", path=_path(first["loc"]))


def _path(location: tuple[int | str, ...]) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return text.removeprefix(".")
