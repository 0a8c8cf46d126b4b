"""What a plain YAML scalar means: the core schema of YAML 1.2, so that `no` and `1:30` are text."""

import re

_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_BOOL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INT = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_HEX = re.compile(r"0x[0-9a-fA-F]+|0o[0-7]+")
_LEADING_ZERO = re.compile(r"[-+]?0[0-9]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_A_NUMBER = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_MAX_DIGITS = 400

Scalar = None | bool | int | float | str


def resolve(text: str, tag: str | None) -> Scalar:
    """Return the value of a plain scalar, or of one with a standard tag (`tag` is its last word, as `str`).

    Raises `ValueError` when the text does not fit, or could be read in two ways.
    """
    if tag == "str":
        return text
    value = _plain(text)
    if tag is not None and tag != _tag_of(value) and not (tag == "float" and isinstance(value, int)):
        raise ValueError(f"{text[:40]!r} is not a {tag}")
    return float(value) if tag == "float" and isinstance(value, int) else value


def _plain(text: str) -> Scalar:
    if text in _NULL:
        return None
    if text in _BOOL:
        return _BOOL[text]
    return _number(text) if text[0] in "+-.0123456789" else text


def _number(text: str) -> Scalar:
    if len(text) > _MAX_DIGITS:
        return text
    if _INT.fullmatch(text):
        return int(text)
    if _HEX.fullmatch(text):
        return int(text, 0)
    if _LEADING_ZERO.fullmatch(text):
        raise ValueError(f"{text} could be decimal or octal: write it in quotes or without the zero")
    if _NOT_A_NUMBER.fullmatch(text):
        raise ValueError(f"{text} has no place in JSON")
    return _float(text) if _FLOAT.fullmatch(text) else text


def _float(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ValueError(f"{text[:40]} is too large")
    return value


def _tag_of(value: Scalar) -> str:
    names = {bool: "bool", int: "int", float: "float", str: "str", type(None): "null"}
    return names[type(value)]
