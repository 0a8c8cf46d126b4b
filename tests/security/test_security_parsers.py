"""What strangers' bytes meet first refuses them and does no more. `make security` has more, by atheris."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from security_kit.parsers import SEEDS, TARGETS

EXAMPLES = 100 * int(os.environ.get("QD_TEST_SECURITY", "1"))


@st.composite
def changed(draw: st.DrawFn, seed: bytes) -> bytes:
    """A seed with a piece of it replaced, doubled or left out."""
    start = draw(st.integers(0, len(seed)))
    end = draw(st.integers(start, len(seed)))
    return seed[:start] + draw(st.binary(max_size=8)) + seed[start:end] * draw(st.integers(0, 3)) + seed[end:]


@pytest.mark.parametrize("name", TARGETS)
def test_seeds(name: str) -> None:
    for seed in SEEDS[name]:
        TARGETS[name](seed)


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("name", TARGETS)
def test_parser(name: str) -> None:
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize="QD_TEST_SECURITY" not in os.environ,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.one_of(st.binary(max_size=200), *map(changed, SEEDS[name])))
    def fuzz(data: bytes) -> None:
        TARGETS[name](data)

    fuzz()
