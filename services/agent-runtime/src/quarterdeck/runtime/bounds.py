"""How long what clients say about runs may be. Pure; refused here, it cannot harm a run later."""

from __future__ import annotations

from collections.abc import Mapping

from quarterdeck.common import codec
from quarterdeck.common.constants import INLINE_BYTES
from quarterdeck.common.errors import InvalidArgument
from quarterdeck.common.selectors import check_label
from quarterdeck.runtime.constants import MAX_LABELS, MAX_NAME, MAX_REMARK, RESOLUTIONS


def check_names(**fields: str) -> None:
    """Raises InvalidArgument for a name (a key, a session, …) that is too long."""
    for field, text in fields.items():
        _check_length(text, field, MAX_NAME)


def check_remark(text: str, field: str) -> None:
    """Raises InvalidArgument for a reason or comment that is too long."""
    _check_length(text, field, MAX_REMARK)


def _check_length(text: str, field: str, limit: int) -> None:
    if len(text) > limit:
        raise InvalidArgument(f"{field} has {len(text)} characters; at most {limit}", field=field)


def check_labels(labels: Mapping[str, str]) -> None:
    """Raises InvalidArgument for labels that an object could not have either: one rule for both."""
    if len(labels) > MAX_LABELS:
        raise InvalidArgument(f"{len(labels)} labels; at most {MAX_LABELS}", field="labels")
    for name, value in labels.items():
        check_label(name, value, "labels")


def check_message(value: object) -> None:
    """Raises InvalidArgument for an agent's input that says nothing: the model would answer to nobody."""
    said = value.get("message", value) if isinstance(value, Mapping) else value
    if said is None or (isinstance(said, str) and not said.strip()):
        raise InvalidArgument(
            "an agent needs a message to answer, and the input has none",
            field="input",
            hint='give a text, {"message": "…"}, or what the agent\'s input schema asks for',
        )


def check_resolution(resolution: str, outcome_json: bytes) -> None:
    """Raises InvalidArgument for a resolution that is none, or says "done" without an outcome."""
    if resolution not in ("", *RESOLUTIONS):
        raise InvalidArgument("a resolution is retry, done or fail", field="resolution")
    if resolution == "done" and not outcome_json:
        raise InvalidArgument(
            "what was done has an outcome, and none is given",
            field="outcome",
            hint="give what the call would have answered, as JSON; null if it answers nothing",
        )


def check_inline(value: object, field: str) -> None:
    """Raises InvalidArgument for a value that is too large to be kept in a run's journal."""
    size = len(codec.dumps(value))
    if size > INLINE_BYTES:
        raise InvalidArgument(f"{field} has {size} bytes; at most {INLINE_BYTES}", field=field)
