"""What a person may answer to what was asked. Checked before the decision is taken: a bad one spends none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from sqlalchemy import Connection, Row

from quarterdeck.common import codec
from quarterdeck.common.database import Database
from quarterdeck.common.errors import InvalidArgument
from quarterdeck.runtime.constants import RESOLUTIONS
from quarterdeck.runtime.events import APPROVAL_REQUESTED
from quarterdeck.runtime.starting.inputs import check_input
from quarterdeck.runtime.store.journal import of_type


class Schemas(Protocol):
    """Who knows the input schemas of tools."""

    async def schema_of(self, tenant: str, server: str, tool: str) -> Mapping[str, Any] | None:
        """Returns the JSON Schema of a tool's arguments, or None while nobody can tell."""


async def check_answer(database: Database, schemas: Schemas, row: Row[Any], answer: Any) -> None:
    """Checks the answer to an approval.

    Args:
        row: the approval.
        answer: arguments in place of those of a tool's call, or data in place of what an editable node shows.
            (Whatever else is asked is checked where it is decided: that needs nobody else's word.)

    Raises:
        InvalidArgument: it does not fit; names the field.
    """
    if answer is None:
        return
    if row.source == "tool":
        target = await database.read(_target, row)
        schema = await schemas.schema_of(row.tenant, target.get("server", ""), target.get("tool", ""))
        await check_input(answer, schema or {"type": "object"}, "answer")
    elif row.source == "node":
        _check_kind(answer, codec.loads(row.data))


def check_resolution(answer: Any) -> None:
    """Checks what a person says about an unknown outcome. Raises InvalidArgument."""
    resolution = answer.get("resolution") if isinstance(answer, dict) else None
    if resolution not in RESOLUTIONS:
        raise InvalidArgument(
            f"an answer about a call is an object with a resolution: {', '.join(RESOLUTIONS)}",
            field="answer.resolution",
            hint="leave it out to say no more than yes (call it again) or no (give it up)",
        )
    if resolution == "done" and "outcome" not in answer:
        raise InvalidArgument(
            "what was done has an outcome",
            field="answer.outcome",
            hint="give what the tool would have returned; null if it returns nothing",
        )


def _check_kind(answer: Any, shown: Any) -> None:
    """What comes after the node reads the answer as it would read the data."""
    for kind in (dict, list, str, bool, (int, float)):
        if isinstance(shown, kind):
            if not isinstance(answer, kind):
                raise InvalidArgument(
                    "the answer is of another type than the data that it stands for",
                    field="answer",
                    hint="send the data as it was shown, with your changes",
                )
            return


def _target(connection: Connection, row: Row[Any]) -> dict[str, Any]:
    """Returns the server and tool that an approval is about, as its run recorded them."""
    for entry in of_type(connection, row.tenant_id, row.run_id, APPROVAL_REQUESTED):
        asked = entry.event().data
        if asked["approval"] == row.approval_id:
            target: dict[str, Any] = (asked.get("params") or {}).get("target", {})
            return target
    return {}
