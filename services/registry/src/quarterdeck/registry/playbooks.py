"""Whether the playbooks that a ModelRoute holds can be followed: else each call of a model would find out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from quarterdeck.resources.errors import FieldError
    from quarterdeck.resources.metadata import Resource


def problems(resource: Resource) -> Iterator[FieldError]:
    """Yields the first problem of each playbook in the spec. One that is a path is not read here."""
    for where, playbook in _inside(resource):
        if (found := _problem(where, playbook)) is not None:
            yield found


def _inside(resource: Resource) -> Iterator[tuple[str, dict[str, Any]]]:
    from quarterdeck.resources.modelroute import ModelRoute

    if not isinstance(resource, ModelRoute):
        return
    for i, tier in enumerate(resource.spec.tiers):
        for j, provider in enumerate(tier.providers):
            if isinstance(provider.playbook, dict):
                yield f"spec.tiers[{i}].providers[{j}].playbook", provider.playbook


def _problem(where: str, playbook: dict[str, Any]) -> FieldError | None:
    from quarterdeck.llm.errors import PlaybookInvalid
    from quarterdeck.llm.playbook.compiler import load_playbook
    from quarterdeck.resources.errors import FieldError, join_path

    try:
        load_playbook(json.dumps(playbook))
    except PlaybookInvalid as error:
        said = str(error).removeprefix(f"{error.path}: ")
        return FieldError(join_path(where, error.path), said, error.hint)
    return None
