"""`qd test` plays cases on the real engine and says what differs, and where."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest

from quarterdeck.cli.constants import EXIT_FAILED, EXIT_INVALID, EXIT_NOT_FOUND, EXIT_OK
from quarterdeck.cli.main import main
from quarterdeck.cli.testing.case import (
    CancelSpec,
    Case,
    DecisionSpec,
    Expectation,
    FindingSpec,
    SignalSpec,
    ToolAnswerSpec,
    TurnSpec,
)

KIT = Path(__file__).parent / "testkit"
EXAMPLE = Path(__file__).parents[2] / "examples" / "invoice-matching"
MANIFESTS = str(KIT / "manifests")

Play = Callable[..., tuple[int, str]]


@pytest.fixture
def play(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Play:
    """Writes a case file, plays it against the kit's manifests, and returns exit code and output."""

    def play(text: str, *options: str) -> tuple[int, str]:
        file = tmp_path / "cases.yaml"
        file.write_text(text, encoding="utf-8")
        code = main(["test", str(file), "-m", MANIFESTS, *options])
        shown = capsys.readouterr()
        return code, (shown.out + shown.err).replace(str(file), "cases.yaml")

    return play


def document(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, object]:
    code = main(["test", *words, "-o", "json"])
    found: dict[str, object] = json.loads(capsys.readouterr().out)
    assert code == (EXIT_FAILED if found["failed"] else EXIT_OK)
    return found


def test_the_cases_of_the_example_pass(capsys: pytest.CaptureFixture[str]) -> None:
    found = document(capsys, str(EXAMPLE))
    written = sum(f.read_text().count("\ntarget: ") for f in (EXAMPLE / "cases").glob("*.yaml"))
    assert found["failed"] == 0
    assert found["ok"] == written >= 10


def test_every_kind_of_answer_reaches_the_engine(capsys: pytest.CaptureFixture[str]) -> None:
    found = document(capsys, str(KIT))
    cases = found["cases"]
    assert isinstance(cases, list)
    assert [case["mismatches"] for case in cases if not case["ok"]] == []
    assert len(cases) == (KIT / "cases" / "all.yaml").read_text().count("target: ")
    assert sum(case["skippedSeconds"] for case in cases) > 30 * 86400
    assert sum(case["seconds"] for case in cases) < 30


PATIENT = """\
name: patient
target: {kind: Workflow, name: patient}
input: {order: 1}
tools:
- {server: shop, name: look, result: {found: 3, where: [here, there]}}
expect:
"""


@pytest.mark.parametrize(
    ("expect", "line"),
    [
        ("  output: {found: 4}", "cases.yaml:7: expect.output.found: expected 4, got 3"),
        ("  output: {lost: 4}", "cases.yaml:7: expect.output.lost: expected 4, got nothing"),
        (
            "  output:\n    where:\n    - here",
            'cases.yaml:8: expect.output.where[1]: expected nothing, got "there"',
        ),
        ("  state: failed", "cases.yaml:7: expect.state: expected failed, got succeeded"),
        ("  error: {class: tool}", 'cases.yaml:7: expect.error: expected {"class": "tool"}, got null'),
        (
            "  calls:\n  - {server: shop, name: look, arguments: {order: 2}}",
            "cases.yaml:8: expect.calls[0].arguments.order: expected 2, got 1",
        ),
        (
            "  calls: []",
            "cases.yaml:7: expect.calls[0]: expected the calls none; got shop/look; "
            'the first that differs: shop/look {"order": 1}',
        ),
        (
            "  calls:\n  - {server: shop, name: look}\n  - {server: shop, name: pay}",
            "cases.yaml:9: expect.calls[1]: expected the calls shop/look, shop/pay; got shop/look",
        ),
        (
            "  approvals: [{node: ask}]",
            'cases.yaml:7: expect.approvals[0]: expected {"node": "ask"}, got nothing',
        ),
        ("  saved: [{id: a}]", 'cases.yaml:7: expect.saved[0]: expected {"id": "a"}, got nothing'),
        ("  holds: ['${passed < 5.0}']", "cases.yaml:7: expect.holds[0]: ${passed < 5.0} is false"),
        ("  holds: ['${output.lost > 5}']", "cases.yaml:7: expect.holds[0]: ${output.lost > 5} cannot be"),
    ],
)
def test_what_differs_is_said_with_its_line(play: Play, expect: str, line: str) -> None:
    code, shown = play(PATIENT + expect + "\n")
    assert code == EXIT_FAILED
    assert line in shown
    assert "1 case: 0 ok, 1 failed" in shown


@pytest.mark.parametrize(
    ("case", "line"),
    [
        (
            "target: {kind: Workflow, name: patient}\ninput: {order: 1}\nexpect: {}",
            'cases.yaml:1: tools: no answer is left or fits this call of shop/look: {"order":1}',
        ),
        (
            "target: {kind: Workflow, name: patient}\ninput: {order: one}\nexpect: {}",
            "cases.yaml:3: input.order: 'one' is not of type 'integer'",
        ),
        (
            "target: {kind: Workflow, name: nobody}\nexpect: {}",
            "cases.yaml:2: target.name: there is no Workflow 'nobody' among the manifests",
        ),
        (
            "target: {kind: Agent, name: clerk}\ninput: {who: a}\nmodel: []\nexpect: {}",
            "cases.yaml:4: model: no turn is left or fits turn 1 of agent clerk",
        ),
        (
            "target: {kind: Workflow, name: asking}\ninput: {who: a}\n"
            "decide:\n- {node: ask, approve: true, by: ann, groups: [clerks]}\nexpect: {}",
            "cases.yaml:5: decide[0]: ann is no approver under boss",
        ),
        (
            "target: {kind: Workflow, name: paying}\ninput: {order: 1, amount: 1}\n"
            "tools:\n- {server: shop, name: order, error: no}\n- {server: shop, name: order, error: no}\n"
            "expect: {state: succeeded}",
            "cases.yaml:7: expect.state: expected succeeded, got failed: tool at order: no",
        ),
    ],
)
def test_what_a_case_leaves_open_fails_it(play: Play, case: str, line: str) -> None:
    code, shown = play(f"name: open\n{case}\n")
    assert code == EXIT_FAILED
    assert line in shown


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("name: a\ntarget: {kind: Agent, name: clerk}\n", "cases.yaml:1: expect: the field is missing"),
        (
            "name: a\ntarget: {kind: Agent, name: clerk}\ntool: []\nexpect: {}",
            "cases.yaml:3: tool: there is no such field (did you mean 'tools'?)",
        ),
        (
            "name: a\ntarget: {kind: Agent, name: clerk}\nmodel:\n- {say: x}\nexpect: {}",
            "cases.yaml:4: model[0].say: there is no such field",
        ),
        (
            "name: a\ntarget: {kind: Agent, name: clerk}\n"
            "tools:\n- {server: s, name: t, result: 1, error: x}\nexpect: {}",
            "cases.yaml:4: tools[0]: at most one of result, error, uncertain, denied, needsApproval",
        ),
        (
            "name: a\ntarget: {kind: Agent, name: clerk}\n"
            "tools:\n- {server: s, name: t, takes: 5 s}\nexpect: {}",
            "cases.yaml:4: tools[0].takes: '5 s' does not have the right form",
        ),
        (
            "name: a\ntarget: {kind: Agent, name: clerk}\nat: noon\nexpect: {}",
            "cases.yaml:3: at: Invalid isoformat string: 'noon'",
        ),
        (
            "name: a\ntarget: {kind: Agent, name: clerk}\nexpect: {}\n---\n"
            "name: a\ntarget: {kind: Agent, name: clerk}\nexpect: {}",
            "cases.yaml:5: name: there is a case 'a' already, at cases.yaml:1",
        ),
        ("name: [", "cases.yaml:2: did not find"),
    ],
)
def test_a_case_that_cannot_be_read_is_refused(play: Play, text: str, line: str) -> None:
    code, shown = play(text)
    assert code == EXIT_INVALID
    assert line in shown


def test_a_manifest_that_is_refused_fails_with_its_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "cases").mkdir()
    (tmp_path / "cases" / "c.yaml").write_text(PATIENT + "  state: failed\n")
    (tmp_path / "manifests").mkdir()
    (tmp_path / "manifests" / "w.yaml").write_text(
        "apiVersion: quarterdeck.dev/v1alpha1\nkind: Workflow\nmetadata: {name: patient}\nspec: {}\n"
    )
    assert main(["test", str(tmp_path)]) == EXIT_INVALID
    assert "w.yaml:4: spec.nodes: the field is missing" in capsys.readouterr().err


def test_a_workflow_whose_agent_is_missing_does_not_start(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "manifests").mkdir()
    (tmp_path / "manifests" / "w.yaml").write_text(
        "apiVersion: quarterdeck.dev/v1alpha1\nkind: Workflow\nmetadata: {name: w}\n"
        "spec: {nodes: [{name: a, agent: {name: gone}}]}\n"
    )
    (tmp_path / "c.yaml").write_text("name: c\ntarget: {kind: Workflow, name: w}\nexpect: {}\n")
    assert main(["test", str(tmp_path)]) == EXIT_FAILED
    assert "target: Workflow w needs Agent 'gone', at spec.nodes[0].agent" in capsys.readouterr().out


def test_cases_are_chosen_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    found = document(capsys, str(KIT), "--case", "nobody-*", "--case", "retries-end")
    cases = found["cases"]
    assert isinstance(cases, list)
    names = [case["name"] for case in cases]
    assert names == ["retries-end", "nobody-decides", "nobody-signals", "nobody-signals-in-time"]


def test_no_such_case_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["test", str(KIT), "--case", "no-such-case"]) == EXIT_NOT_FOUND
    assert "there is no case named no-such-case" in capsys.readouterr().err


def test_the_journal_of_a_failing_case_is_shown(play: Play) -> None:
    wrong = PATIENT + "  state: failed\n"
    _, without = play(wrong)
    _, shown = play(wrong, "--journal")
    assert "step.started" not in without
    # The clock of the run stands at what the case says, not at now.
    assert "Workflow/patient  succeeded" in shown
    assert shown.index("timer.set") < shown.index("timer.fired") < shown.index("run.succeeded")
    assert "step.started" not in play(PATIENT + "  state: succeeded\n", "--journal")[1]


def test_junit_xml_holds_what_differs(play: Play, tmp_path: Path) -> None:
    file = tmp_path / "junit.xml"
    good = PATIENT.replace("name: patient\ntarget", "name: good\ntarget", 1) + "  state: succeeded\n"
    code, _ = play(PATIENT + "  output: {found: 4}\n---\n" + good, "--junit", str(file))
    suite = ElementTree.parse(file).getroot()[0]
    assert code == EXIT_FAILED
    assert (suite.get("tests"), suite.get("failures")) == ("2", "1")
    failed, passed = suite
    failure = failed.find("failure")
    assert failure is not None
    assert "expected 4, got 3" in str(failure.get("message"))
    assert "run.succeeded" in str(failed.findtext("system-out"))
    assert list(passed) == []


def test_names_of_failing_cases_alone(play: Play) -> None:
    assert play(PATIENT + "  state: failed\n", "-o", "name") == (EXIT_FAILED, "patient\n")
    assert play(PATIENT + "  state: succeeded\n", "-o", "name") == (EXIT_OK, "")


def test_the_example_of_the_documentation_works(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (Path(__file__).parents[2] / "docs" / "testing.md").read_text(encoding="utf-8")
    blocks = re.findall(r"<!-- test: (\S+) -->\n```yaml\n(.*?)```", text, re.DOTALL)
    for name, content in blocks:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content, encoding="utf-8")
    assert main(["test", str(tmp_path)]) == EXIT_OK
    assert "1 case: 1 ok" in capsys.readouterr().out
    case = tmp_path / "cases" / "remind.yaml"
    case.write_text(case.read_text().replace("output: {sent: true}", "output: {sent: false}"))
    assert main(["test", str(tmp_path)]) == EXIT_FAILED
    # The documentation shows this very line.
    line = "cases/remind.yaml:8: expect.output.sent: expected false, got true"
    assert line in capsys.readouterr().out
    assert line in text


def test_the_documentation_explains_every_field() -> None:
    text = (Path(__file__).parents[2] / "docs" / "testing.md").read_text(encoding="utf-8")
    models = (Case, Expectation, ToolAnswerSpec, TurnSpec, FindingSpec, DecisionSpec, SignalSpec, CancelSpec)
    fields = {field.alias or name for model in models for name, field in model.model_fields.items()}
    assert sorted(name for name in fields if f"`{name}" not in text) == []
