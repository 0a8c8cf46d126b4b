"""Model routes and turns."""

from __future__ import annotations

from typing import Any

from quarterdeck.gateway.streams import frame
from quarterdeck.gateway.translate.values import encoded
from quarterdeck.v1 import models_pb2


def tier(message: models_pb2.ModelTier) -> dict[str, Any]:
    """Returns a tier's JSON; `problem` is null when it can be used."""
    return {
        "route": message.route,
        "tier": message.tier,
        "provider": message.provider or None,
        "model": message.model or None,
        "problem": message.problem or None,
    }


def turn_frame(message: models_pb2.GenerateModelResponse) -> bytes:
    """Returns a part of a turn as SSE: `delta` with text, at last `response` with all of it."""
    if message.response_json:
        return frame(message.response_json, event="response")
    return frame(encoded({"text": message.text_delta}), event="delta")
