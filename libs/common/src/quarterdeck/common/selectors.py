"""Labels and selectors over them, in the language of Kubernetes.

`key=value`, `key==value`, `key!=value`, `key in (a,b)`, `key notin (a,b)`, `key`, `!key`,
joined by commas; all must hold. `!=` and `notin` also hold for objects without the label.
Stricter than there: `key==` is refused, a slip more often than meant; `key=` asks for an empty value.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from quarterdeck.common.errors import InvalidArgument

_KEY = r"(?:[a-z0-9](?:[-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?"
_SOME = r"[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?"
_VALUE = rf"(?:{_SOME})?"
_REQUIREMENT = re.compile(
    rf"""\s*(?:
        (?P<absent>!)\s*(?P<absent_key>{_KEY})
      | (?P<set_key>{_KEY})\s+(?P<set_operator>in|notin)\s*\((?P<values>[^()]*)\)
      | (?P<key>{_KEY})\s*(?:(?:==\s*(?P<same>{_SOME})|(?P<operator>=|!=)\s*(?P<value>{_VALUE})))?
    )\s*(?P<end>,|$)""",
    re.VERBOSE,
)
MAX_SELECTOR = 4096
MAX_LABEL_KEY = 317
MAX_LABEL_VALUE = 63


@dataclass(frozen=True, slots=True)
class Requirement:
    """One part: the label's value must (or, `negated`, must not) be among `values`; None: any value."""

    key: str
    values: frozenset[str] | None
    negated: bool

    def holds(self, labels: Mapping[str, str]) -> bool:
        """True if `labels` fulfil this."""
        value = labels.get(self.key)
        found = value is not None and (self.values is None or value in self.values)
        return found != self.negated


@dataclass(frozen=True, slots=True)
class Selector:
    """All requirements of a selector; without any it matches everything."""

    requirements: tuple[Requirement, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """True if `labels` fulfil every requirement."""
        return all(requirement.holds(labels) for requirement in self.requirements)


EVERYTHING = Selector()


def check_label(key: str, value: str, field: str) -> None:
    """Raises InvalidArgument for what cannot be a label; `field` is where labels are given."""
    if len(key) > MAX_LABEL_KEY or not re.fullmatch(_KEY, key):
        raise InvalidArgument(
            f"{key[:MAX_LABEL_KEY]!r} cannot be the name of a label",
            field=field,
            hint="letters, digits, '-', '_' and '.' within; before a '/', a domain in lower case",
        )
    if len(value) > MAX_LABEL_VALUE or not re.fullmatch(_VALUE, value):
        raise InvalidArgument(
            f"{value[: MAX_LABEL_VALUE + 1]!r} cannot be the value of a label",
            field=f"{field}.{key}",
            hint=f"up to {MAX_LABEL_VALUE} letters and digits, with '-', '_' and '.' within",
        )


def parse(text: str) -> Selector:
    """Reads a selector. Raises InvalidArgument with the position of what is not understood."""
    if not text.strip():
        return EVERYTHING
    if len(text) > MAX_SELECTOR:
        raise InvalidArgument(f"longer than {MAX_SELECTOR} characters", field="labelSelector")
    requirements, position, ended = [], 0, False
    while not ended:
        found = _REQUIREMENT.match(text, position)
        if found is None:
            raise _refused(text, position)
        requirements.append(_requirement(found, text))
        position, ended = found.end(), found["end"] == ""
    return Selector(tuple(requirements))


def _requirement(found: re.Match[str], text: str) -> Requirement:
    if found["absent"]:
        return Requirement(found["absent_key"], None, True)
    if found["set_key"]:
        values = frozenset(_values(found, text))
        return Requirement(found["set_key"], values, found["set_operator"] == "notin")
    if found["same"]:
        return Requirement(found["key"], frozenset({found["same"]}), False)
    if found["operator"] is None:
        return Requirement(found["key"], None, False)
    return Requirement(found["key"], frozenset({found["value"]}), found["operator"] == "!=")


def _values(found: re.Match[str], text: str) -> list[str]:
    values = [value.strip() for value in found["values"].split(",")]
    if not all(re.fullmatch(_VALUE, value) for value in values):
        raise _refused(text, found.start("values"))
    return values


def _refused(text: str, position: int) -> InvalidArgument:
    return InvalidArgument(
        f"not a label selector at character {position + 1}: {text[position : position + 40]!r}",
        field="labelSelector",
        hint="write key=value, key!=value, key in (a,b), key notin (a,b), key or !key, joined by commas",
    )
