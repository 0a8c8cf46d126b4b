"""Journals written by every version of the events fold to the states that were recorded with them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from quarterdeck.runtime import events as ev
from quarterdeck.runtime.constants import REDUCER_VERSION
from quarterdeck.runtime.events import Event
from quarterdeck.runtime.reducer import apply, fold
from quarterdeck.runtime.state import FINISHED, RunState

FOLDER = Path(__file__).parent / "golden_journals"
JOURNALS = sorted(FOLDER.glob("v*/*.jsonl"))
REPOSITORY = Path(__file__).parents[3]
# In the vocabulary, but nothing says it: a step parks by its effect's outcome.
UNSAID = {"run.parked"}
# Said live only.
LIVE = {"model.delta", "tool.progress"}


def read(path):
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    journal = [Event(line["type"], line["data"], line["at"]) for line in lines]
    return journal, json.loads(path.with_suffix(".json").read_text())


def as_recorded(state):
    return json.loads(json.dumps(state.to_json()))


@pytest.mark.parametrize("path", JOURNALS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_recorded_journal_folds_to_its_states(path):
    journal, recorded = read(path)
    assert len(recorded["states"]) >= 2
    state = RunState(run_id=recorded["run"])
    for seq, event in enumerate(journal, 1):
        apply(state, event)
        known = recorded["states"].get(str(seq))
        if known is not None:
            expected = as_recorded(RunState.from_json(known))
            # What came later is left out at the top, and has its default further down.
            assert {name: as_recorded(state)[name] for name in known} == {
                name: expected[name] for name in known
            }, seq
    assert state.phase == FINISHED and state.seq == len(journal)


@pytest.mark.parametrize("path", JOURNALS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_fold_may_go_on_from_any_recorded_state(path):
    journal, recorded = read(path)
    whole = as_recorded(fold(recorded["run"], journal))
    for seq, known in recorded["states"].items():
        rest = fold(recorded["run"], journal[int(seq) :], RunState.from_json(known))
        assert as_recorded(rest) == whole


def test_the_set_of_this_version_says_everything_that_can_happen():
    said = {event.type for path in JOURNALS for event in read(path)[0] if _is_present(path)}
    words = {value for name, value in vars(ev).items() if name.isupper() and isinstance(value, str)}
    assert words - said == UNSAID | LIVE


def _is_present(path):
    return path.parent.name == f"v{REDUCER_VERSION}"


def test_a_recorded_set_is_not_overwritten():
    before = {path: path.read_bytes() for path in JOURNALS}
    tried = subprocess.run(
        [sys.executable, "-m", "hack.journals", str(FOLDER)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert tried.returncode == 1 and "never overwritten" in tried.stderr
    assert {path: path.read_bytes() for path in JOURNALS} == before
