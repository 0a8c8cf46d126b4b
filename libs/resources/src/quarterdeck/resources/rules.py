"""Rules over several fields of one object, as data.

A rule is stated twice: in CEL, for the API server, and in Python, for everything else. The table of verdicts
in the tests holds the two together.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError
from pydantic_core.core_schema import no_info_after_validator_function


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: `holds` gets the model, `cel` sees it as `self`; `field` is where the error is reported."""

    message: str
    cel: str
    holds: Callable[[Any], bool]
    field: str = ""
    hint: str = ""
    one_of: tuple[str, ...] = ()
    """The fields (camelCase) of which exactly one must be given, when that is the rule."""


def _given(model: Any, names: Sequence[str]) -> int:
    return sum(getattr(model, name) is not None for name in names)


def _alias(name: str) -> str:
    head, *rest = name.rstrip("_").split("_")
    return head + "".join(part.capitalize() for part in rest)


def _count(names: Sequence[str]) -> str:
    return f"[{', '.join(f'has(self.{_alias(name)})' for name in names)}].filter(x, x).size()"


def exactly_one(*names: str) -> Rule:
    """One of the fields must be given, and only one."""
    listed = ", ".join(_alias(name) for name in names)
    return Rule(
        f"exactly one of {listed} is needed", f"{_count(names)} == 1", lambda m: _given(m, names) == 1
    )


def at_least_one(*names: str) -> Rule:
    """One or more of the fields must be given."""
    listed = ", ".join(_alias(name) for name in names)
    return Rule(
        f"at least one of {listed} is needed", f"{_count(names)} >= 1", lambda m: _given(m, names) >= 1
    )


@dataclass(frozen=True, slots=True)
class Unique:
    """Marks a list as a map by `key`, or as a set; a double is refused here and by the API server."""

    key: str | None = None

    def check(self, items: list[Any]) -> list[Any]:
        """Return the items; raises when two are the same."""
        seen: set[Any] = set()
        for item in items:
            value = item if self.key is None else getattr(item, self.key)
            if value in seen:
                raise PydanticCustomError("duplicate", "{value} is listed twice", {"value": repr(value)})
            seen.add(value)
        return items

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        json_schema = dict(handler(schema))
        if self.key is None:
            return {**json_schema, "x-kubernetes-list-type": "set"}
        return {**json_schema, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [self.key]}
