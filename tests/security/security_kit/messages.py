"""Random messages of any type, from its descriptor."""

from __future__ import annotations

from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from hypothesis import strategies as st

_TEXT = st.text(max_size=12) | st.sampled_from(
    ["default", "neighbour", "no-such", "", " ", "..", "a/b", "\x00", "${1/0}", "\u202e", "é" * 300, "-1"]
)
_JSON = st.sampled_from(
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b"{",
        b"\xff\xfe",
        b'{"a":1e999}',
        b"[" * 200,
        b'{"kind":"Agent"}',
        b'"\\ud800"',
    ]
)
_SCALARS: dict[int, st.SearchStrategy[Any]] = {
    FieldDescriptor.CPPTYPE_INT32: st.integers(-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_INT64: st.integers(-(2**63), 2**63 - 1) | st.integers(-2, 500),
    FieldDescriptor.CPPTYPE_UINT32: st.integers(0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_UINT64: st.integers(0, 2**64 - 1),
    FieldDescriptor.CPPTYPE_DOUBLE: st.floats(),
    FieldDescriptor.CPPTYPE_FLOAT: st.floats(width=32),
    FieldDescriptor.CPPTYPE_BOOL: st.booleans(),
    FieldDescriptor.CPPTYPE_ENUM: st.integers(-1, 9),
}
# Levels of messages in messages.
DEEPEST = 3


@st.composite
def messages(draw: st.DrawFn, descriptor: Descriptor, depth: int = 0) -> Message:
    """A message of a type; most fields are set, and `tenant` is often one that there is."""
    message: Message = GetMessageClass(descriptor)()
    for field in descriptor.fields:
        if draw(st.integers(0, 3)):
            _fill(draw, message, field, depth)
    if "tenant" in descriptor.fields_by_name and draw(st.integers(0, 3)):
        message.tenant = "default"  # type: ignore[attr-defined]
    return message


def _fill(draw: st.DrawFn, message: Message, field: FieldDescriptor, depth: int) -> None:
    entry = field.message_type
    if entry is not None and entry.GetOptions().map_entry:
        if entry.fields_by_name["value"].cpp_type == FieldDescriptor.CPPTYPE_STRING:
            getattr(message, field.name).update(draw(st.dictionaries(_TEXT, _TEXT, max_size=2)))
    elif entry is not None:
        _nest(draw, message, field, depth)
    elif field.is_repeated:
        getattr(message, field.name).extend(draw(st.lists(_scalar(field), max_size=3)))
    else:
        setattr(message, field.name, draw(_scalar(field)))


def _nest(draw: st.DrawFn, message: Message, field: FieldDescriptor, depth: int) -> None:
    if depth >= DEEPEST:
        return
    inner = messages(field.message_type, depth + 1)
    if field.is_repeated:
        getattr(message, field.name).extend(draw(st.lists(inner, max_size=2)))
    else:
        getattr(message, field.name).CopyFrom(draw(inner))


def _scalar(field: FieldDescriptor) -> st.SearchStrategy[Any]:
    if field.type == FieldDescriptor.TYPE_BYTES:
        return _JSON | st.binary(max_size=20)
    if field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
        return _TEXT
    return _SCALARS[field.cpp_type]
