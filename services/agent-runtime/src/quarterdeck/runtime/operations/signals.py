"""What a signal may carry: the schema of the wait node that listens for it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from quarterdeck.common.errors import InvalidArgument
from quarterdeck.runtime.definition import Definition, Node, WorkflowDefinition
from quarterdeck.runtime.starting.inputs import check_input


async def check_signal(definition: Definition, name: str, payload: Any, field: str) -> None:
    """Raises InvalidArgument if wait nodes listen for this signal and the payload fits none of them."""
    nodes = definition.nodes.values() if isinstance(definition, WorkflowDefinition) else ()
    refused: InvalidArgument | None = None
    for schema in _schemas(nodes, name):
        try:
            await check_input(payload, schema, field)
            return
        except InvalidArgument as error:
            refused = error
    if refused is not None:
        raise refused


def _schemas(nodes: Iterable[Node], name: str) -> Iterator[Mapping[str, Any] | None]:
    for node in nodes:
        signal = (node.body.get("signal") or {}) if node.kind == "wait" else {}
        if signal.get("name") == name:
            yield signal.get("schema")
        yield from _schemas(node.branches, name)
