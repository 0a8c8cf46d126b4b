"""Turning the model library's errors into ours: field path, plain words, a hint."""

from collections.abc import Callable, Iterable
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from quarterdeck.resources import scalars
from quarterdeck.resources.errors import FieldError, join_path, shorten

_PATTERN_HINTS = {
    scalars.NAME_PATTERN: "lower case letters, digits and '-', beginning and ending with a letter or digit",
    scalars.NODE_NAME_PATTERN: "letters, digits, '_' and '-', beginning with a letter",
    scalars.TOOL_NAME_PATTERN: "letters, digits and '_-./'",
    scalars.DURATION_PATTERN: "a duration such as 30s, 5m, 1h30m, 7d or 250ms",
    scalars.EXPRESSION_PATTERN: "exactly one ${…}",
    scalars.URL_PATTERN: "a URL beginning with http:// or https://",
    scalars.HOST_PATTERN: "a host name, perhaps with a port",
    scalars.PATH_PATTERN: "a path beginning with '/'",
    scalars.ENV_NAME_PATTERN: "letters, digits and '_', not beginning with a digit",
}

_TYPES = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "an object",
    "model_type": "an object",
    "model_attributes_type": "an object",
}

_SIZES: dict[str, tuple[str, str]] = {
    "too_short": ("at least {min_length} entries are needed", "min_length"),
    "too_long": ("at most {max_length} entries are allowed", "max_length"),
    "string_too_short": ("at least {min_length} characters are needed", "min_length"),
    "string_too_long": ("at most {max_length} characters are allowed", "max_length"),
    "greater_than_equal": ("it must be at least {ge}", "ge"),
    "greater_than": ("it must be more than {gt}", "gt"),
    "less_than_equal": ("it must be at most {le}", "le"),
    "less_than": ("it must be less than {lt}", "lt"),
}


def path_text(parts: Iterable[str | int]) -> str:
    """Return `spec.nodes[2].tool` for `("spec", "nodes", 2, "tool")`; odd keys are quoted."""
    path = ""
    for part in parts:
        if isinstance(part, int):
            path += f"[{part}]"
        elif part.replace("_", "").replace("-", "").isalnum():
            path = join_path(path, part)
        else:
            path += f"[{part!r}]"
    return path


def closest(name: str, known: list[str]) -> str:
    """Return a hint that names the known word nearest to `name`, empty when none is near."""
    lowered = {word.lower(): word for word in known}
    near = get_close_matches(name.lower().replace("_", ""), list(lowered), n=1, cutoff=0.6)
    return f"did you mean {lowered[near[0]]!r}?" if near else ""


def field_errors(error: ValidationError, model: type[BaseModel]) -> list[FieldError]:
    """Return one error for each thing the library found, in its order."""
    return [_field_error(detail, model) for detail in error.errors(include_url=False)]


def _field_error(detail: Any, model: type[BaseModel]) -> FieldError:
    kind, context = detail["type"], detail.get("ctx", {})
    location = tuple(part for part in detail["loc"] if part != "[key]")
    if kind == "extra_forbidden":
        return _unknown_field(location, model)
    if kind == "rule":
        path = join_path(path_text(location), context["field"])
        return FieldError(path, context["text"], context["hint"])
    message, hint = _words(kind, context, detail)
    return FieldError(path_text(location), message, hint)


def _words(kind: str, context: dict[str, Any], detail: Any) -> tuple[str, str]:
    """Return message and hint for an error that is not about an unknown field or a rule."""
    given = shorten(repr(detail["input"]), 60)
    if kind == "missing":
        return "the field is missing", ""
    if kind == "string_pattern_mismatch":
        pattern = context["pattern"]
        return f"{given} does not have the right form", _PATTERN_HINTS.get(
            pattern, f"it must match {pattern}"
        )
    if kind == "literal_error":
        return f"{given} is not one of {context['expected'].replace(' or ', ', ')}", ""
    if kind in _TYPES:
        return f"{_TYPES[kind]} is needed, not {_type_name(detail['input'])}", ""
    if kind in _SIZES:
        return _SIZES[kind][0].format(**context), ""
    return str(detail["msg"]), ""


def _type_name(value: Any) -> str:
    names: dict[type, str] = {
        str: "text",
        bool: "true or false",
        int: "a whole number",
        float: "a number",
        list: "a list",
        dict: "an object",
        type(None): "null",
    }
    return names.get(type(value), type(value).__name__)


def _unknown_field(location: tuple[str | int, ...], model: type[BaseModel]) -> FieldError:
    known = _fields_at(location[:-1], model)
    hint = closest(str(location[-1]), known) or (f"known fields: {', '.join(known)}" if known else "")
    return FieldError(path_text(location), "there is no such field", hint)


def _fields_at(location: tuple[str | int, ...], model: type[BaseModel]) -> list[str]:
    current: type[BaseModel] | None = model
    for part in location:
        if current is None or isinstance(part, int):
            continue
        by_alias = {field.alias: field for field in current.model_fields.values()}
        current = model_in(by_alias[part].annotation) if part in by_alias else None
    return [field.alias or name for name, field in current.model_fields.items()] if current else []


def model_in(annotation: Any) -> type[BaseModel] | None:
    """Return the model class inside a type such as `X | None` or `list[X]`, None when there is none."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    find: Callable[[Any], type[BaseModel] | None] = model_in
    return next((found for part in get_args(annotation) if (found := find(part))), None)
