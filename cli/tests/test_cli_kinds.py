"""The light table of kinds says the same as the models and the gateway."""

from __future__ import annotations

from typing import Any

from quarterdeck.cli.kinds import KINDS, find_kind, split_target
from quarterdeck.gateway.constants import CLUSTER_KINDS, TENANT_KINDS
from quarterdeck.resources import kinds as models


def heads(info: Any) -> dict[str, tuple[str, bool]]:
    """Returns the columns of a model's kind that are its own."""
    common = {"Ready", "Reason", "Age"}
    return {
        column.name.upper(): (column.path.removeprefix("."), column.wide)
        for column in info.columns
        if column.name not in common
    }


def test_names_scopes_and_columns_agree_with_the_models() -> None:
    ours = {kind.name: kind for kind in KINDS}
    assert set(ours) == set(models.KINDS)
    for name, info in models.KINDS.items():
        kind = ours[name]
        assert (kind.plural, kind.short, kind.cluster_scoped) == (
            info.plural,
            info.short_names,
            info.cluster_scoped,
        )
        assert {column.header: (column.value, column.wide) for column in kind.columns} == heads(info), name


def test_plurals_agree_with_the_paths_of_the_gateway() -> None:
    assert {kind.plural: kind.name for kind in KINDS} == {**CLUSTER_KINDS, **TENANT_KINDS}


def test_a_kind_goes_by_many_names() -> None:
    assert {find_kind(word).name for word in ("agent", "Agent", "agents", "qdag", "AGENTS")} == {"Agent"}
    assert split_target("agent/x") == ("agent", "x")
    assert split_target("agent", "y") == ("agent", "y")
