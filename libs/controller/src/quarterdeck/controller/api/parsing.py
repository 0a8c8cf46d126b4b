"""JSON of the API server into objects."""

from __future__ import annotations

import json
from typing import Any

from pydantic_core import from_json


def parsed(text: bytes) -> Any:
    """Reads JSON. Raises ValueError if it is malformed.

    Names of fields and short texts are shared by all objects, which halves what a cache of them takes; it
    takes half the time of the standard library's, too.
    """
    try:
        return from_json(text)
    except ValueError:
        # It knows 200 levels of nesting and no half of a surrogate pair; an API server lets both through.
        return json.loads(text)
