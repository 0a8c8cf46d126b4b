"""A run's input against its schema."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from quarterdeck.common import codec
from quarterdeck.common.errors import InvalidArgument

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

MAX_VIOLATIONS = 20


def check_input(value: Any, schema: Mapping[str, Any] | None) -> Any:
    """Returns the input with nothing changed. Raises InvalidArgument naming every field that is wrong."""
    if schema is None:
        return value
    validator = _validator(codec.canonical(schema))
    errors = sorted(validator.iter_errors(value), key=lambda error: list(map(str, error.absolute_path)))
    if errors:
        violations = [(_path(error), error.message[:300]) for error in errors[:MAX_VIOLATIONS]]
        field, message = violations[0]
        raise InvalidArgument(
            f"{field}: {message}", field=field, violations=violations, hint="see the input schema"
        )
    return value


def _path(error: Any) -> str:
    path = "input"
    for part in error.absolute_path:
        path += f"[{part}]" if isinstance(part, int) else f".{part}"
    return path


@lru_cache(maxsize=256)
def _validator(schema: bytes) -> Validator:
    from jsonschema.validators import validator_for

    parsed = codec.loads(schema)
    validator: Validator = validator_for(parsed)(parsed)
    return validator
