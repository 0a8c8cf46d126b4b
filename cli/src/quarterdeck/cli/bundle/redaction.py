"""What may leave in a support bundle. Pure.

What is not known to be harmless is removed, not the other way round: of an object or a log line, numbers,
truth values and the text under the names below stay; any other text becomes its length. In sentences, what
stands in quotation marks, addresses of people and what looks like a secret are removed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

GONE = "[removed]"
_WIRING = """
apiVersion kind name namespace uid resourceVersion generation creationTimestamp deletionTimestamp revision
type status reason observedGeneration lastTransitionTime state server servers route tier provider policy
collection access effect onUncertain isolation mode transport overlap schedule timeZone join start to role
distance startedAt endedAt createdAt updatedAt timestamp level service controller lease trace_id span_id
tenant run run_id version id verb method code database resource names workflow agent tool timeout duration
expiresAfter onExpiry attempt attempts delay window catchUp
"""
# Names whose text says how things are wired, never what somebody wrote.
PLAIN = frozenset(_WIRING.split())
# Names of sentences: kept with their sensitive parts removed.
SENTENCES = frozenset(["message", "error", "event", "exception", "detail", "hint", "text"])
# Maps whose names are a person's own, as are their values: only how many there are stays.
COUNTED = frozenset(
    ["labels", "annotations", "env", "headers", "data", "input", "output", "arguments", "payload"]
)
MANY = 200
_SAID = "message"

_TOKEN = re.compile(
    r"(?i)\bbearer\s+\S+|\b(?:sk|qd|gh[pous]|xox[abp]|akia|eyj)[-_.][-_.\w]{8,}|\beyJ[-_.\w]{12,}"
)
_DIGITS = re.compile(r"\b[0-9a-fA-F]{32,}\b")
# Where such digits are an identifier and no key.
_IDENTIFIERS = frozenset(["trace_id", "span_id", "uid", "id", "revision", "run", "run_id"])
_CREDENTIALS = re.compile(r"(\b[a-z][\w+.-]*://)[^\s/@]+@")
_QUERY = re.compile(r"\?[^\s\"']+")
_ADDRESS = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"|`[^`]*`")
_ASSIGNED = re.compile(r"(?i)\b([\w.-]*(?:token|secret|passw\w*|api[_-]?key|credential)[\w.-]*\s*[=:]\s*)\S+")
# One word; what a revision ends in is a part of a hash.
_NAME = re.compile(r"[\w./:*+-]{0,253}(?:@[0-9a-f]{6,64})?")


def sentence(text: str) -> str:
    """Returns a sentence without what may be somebody's."""
    text = _CREDENTIALS.sub(rf"\1{GONE}@", text)
    text = _ASSIGNED.sub(rf"\1{GONE}", text)
    text = _DIGITS.sub(GONE, _TOKEN.sub(GONE, text))
    text = _QUOTED.sub(f"'{GONE}'", text)
    text = _ADDRESS.sub(GONE, text)
    return _QUERY.sub(f"?{GONE}", text)


def cleaned(value: Any, name: str = "") -> Any:
    """Returns a JSON value that may leave; `name`: of the field that holds it."""
    if isinstance(value, Mapping):
        if name in COUNTED:
            return f"[{len(value)} entries removed]"
        # The names of a health's checks are its parts; what they say are sentences.
        return {
            str(key): cleaned(item, _SAID if name == "checks" else str(key)) for key, item in value.items()
        }
    if isinstance(value, list):
        kept = [cleaned(item, name) for item in value[:MANY]]
        return [*kept, f"[{len(value) - MANY} more]"] if len(value) > MANY else kept
    if isinstance(value, str):
        return _text(value, name)
    return value


def _text(value: str, name: str) -> str:
    if name in SENTENCES:
        return sentence(value)
    if name in PLAIN and _NAME.fullmatch(value):
        shown = _TOKEN.sub(GONE, value)
        return shown if name in _IDENTIFIERS else _DIGITS.sub(GONE, shown)
    return f"[{len(value)} characters removed]" if value else ""


def without(content: bytes, secrets: Iterable[str]) -> bytes:
    """Returns a file's content without values that are known to be secret, wherever they stand."""
    for secret in sorted((text for text in secrets if len(text) >= 6), key=len, reverse=True):
        content = content.replace(secret.encode(), GONE.encode())
    return content


def secrets_of(environment: Mapping[str, str]) -> list[str]:
    """Returns the values of variables that are secret by their names, and passwords in addresses."""
    named = re.compile(r"(?i)token|secret|passw|api_?key|credential|private")
    found = [value for name, value in environment.items() if named.search(name)]
    inside = re.compile(r"://[^\s/@:]*:([^\s/@]+)@")
    return [*found, *(text for value in environment.values() for text in inside.findall(value))]
