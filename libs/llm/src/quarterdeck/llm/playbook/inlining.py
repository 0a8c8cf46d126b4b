"""Putting playbook files into a route's spec, so that what is applied holds all it needs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from quarterdeck.llm.constants import PLAYBOOK
from quarterdeck.llm.errors import PlaybookInvalid
from quarterdeck.llm.playbook.compiler import load_playbook


def inline_playbooks(spec: Mapping[str, Any], base: Path) -> dict[str, Any]:
    """A `ModelRoute` spec with the content of playbook files in the place of paths relative to `base`.

    Content that is there already stays. Every document is compiled; raises `PlaybookInvalid` with the path in
    the spec for a file that cannot be read or a document that is wrong.
    """
    tiers = [
        {
            **tier,
            "providers": [
                _inline(provider, base, f"spec.tiers[{t}].providers[{p}].playbook")
                for p, provider in enumerate(tier["providers"])
            ],
        }
        for t, tier in enumerate(spec["tiers"])
    ]
    return {**spec, "tiers": tiers}


def _inline(provider: Mapping[str, Any], base: Path, path: str) -> dict[str, Any]:
    given = provider.get("playbook")
    if provider.get("provider") != PLAYBOOK or not isinstance(given, str):
        return dict(provider)
    content = given if "\n" in given.strip() else _read(base / given, path)
    try:
        load_playbook(content)
    except PlaybookInvalid as problem:
        raise PlaybookInvalid(problem.message, path=path, hint=problem.hint) from problem
    return {**provider, "playbook": content}


def _read(file: Path, path: str) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        raise PlaybookInvalid(f"cannot read {file}: {problem}", path=path) from problem
