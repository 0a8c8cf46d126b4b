"""Manifests are checked before anything is sent."""

from __future__ import annotations

from pathlib import Path

import pytest

from quarterdeck.cli.constants import EXIT_INVALID
from quarterdeck.cli.errors import CliError
from quarterdeck.cli.main import main
from quarterdeck.cli.manifests import ORDER, SOURCE_DIRECTORY, read_manifests
from quarterdeck.resources.kinds import KINDS

HEAD = "apiVersion: quarterdeck.dev/v1alpha1\n"
SERVER = HEAD + "kind: MCPServer\nmetadata: {name: s}\nspec:\n  local: {command: [python, s.py]}\n"
AGENT = HEAD + "kind: Agent\nmetadata: {name: a}\nspec:\n  instructions: help\n"

NODE = "  nodes:\n  - name: a\n    transform: {output: '${1 +}'}\n"
BAD_EXPRESSION = HEAD + "kind: Workflow\nmetadata: {name: w}\nspec:\n" + NODE


def refusal(*files: str) -> CliError:
    with pytest.raises(CliError) as caught:
        read_manifests(files)
    assert caught.value.code == EXIT_INVALID
    return caught.value


def test_what_is_used_comes_before_what_uses_it() -> None:
    folder = Path("m/deeper")
    folder.mkdir(parents=True)
    Path("m/a.yaml").write_text(AGENT)
    (folder / "s.yml").write_text(SERVER)
    Path("m/notes.txt").write_text("not a manifest")
    assert [item.reference for item in read_manifests(["m"])] == ["mcpserver/s", "agent/a"]
    assert set(ORDER) == set(KINDS)


def test_a_local_server_is_told_where_its_manifest_stands() -> None:
    Path("m").mkdir()
    Path("m/s.yaml").write_text(SERVER)
    (found,) = read_manifests(["m/s.yaml"])
    assert found.data["metadata"]["annotations"] == {SOURCE_DIRECTORY: str(Path("m").absolute())}


def test_a_playbook_is_sent_with_its_route() -> None:
    route = HEAD + (
        "kind: ModelRoute\nmetadata: {name: default}\nspec:\n  tiers:\n  - name: standard\n"
        "    providers:\n    - {provider: playbook, playbook: rules.yaml}\n"
    )
    Path("r.yaml").write_text(route)
    assert "rules.yaml" in str(refusal("r.yaml").details[0])
    rules = "kind: Playbook\nname: p\nagents:\n  a:\n    rules:\n    - {name: hello, answer: hi}\n"
    Path("rules.yaml").write_text(rules)
    (found,) = read_manifests(["r.yaml"])
    assert found.data["spec"]["tiers"][0]["providers"][0]["playbook"] == rules


@pytest.mark.parametrize(
    ("text", "where", "words"),
    [
        (AGENT + "  instructoins: x\n", "f.yaml:6", "spec.instructoins"),
        (AGENT.replace("Agent", "Agnet"), "f.yaml:2", "Agent"),
        (AGENT + "  description: [\n", "f.yaml", ""),
        (AGENT + "  tools: &t [{server: s}]\n  agents: *t\n", "f.yaml", "alias"),
        ("- 1\n- 2\n", "f.yaml:1", "an object"),
        (BAD_EXPRESSION, "f.yaml:7", "spec.nodes[0].transform.output"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_file_and_line(text: str, where: str, words: str) -> None:
    Path("f.yaml").write_text(text)
    error = refusal("f.yaml")
    assert error.details[0].startswith(where)
    assert words in error.details[0]


def test_every_problem_of_every_file_is_listed() -> None:
    Path("m").mkdir()
    Path("m/1.yaml").write_text(AGENT + "  x: 1\n  y: 2\n")
    Path("m/2.yaml").write_text("a: [\n")
    error = refusal("m")
    assert len(error.details) == 3
    assert "3 problems" in error.message


def test_the_same_object_twice_is_refused() -> None:
    Path("f.yaml").write_text(AGENT + "---\n" + AGENT)
    assert "f.yaml:9" in refusal("f.yaml").details[0]


def test_ten_megabytes_and_a_bomb_are_refused_quickly() -> None:
    Path("big.yaml").write_text(AGENT + "  description: " + "x" * (11 * 1024 * 1024) + "\n")
    assert "big.yaml" in refusal("big.yaml").details[0]
    bomb = "a: &a [x, x]\n" + "".join(f"b{n}: &b{n} [*a, *a]\n" for n in range(5))
    Path("bomb.yaml").write_text(bomb)
    assert "bomb.yaml:2" in refusal("bomb.yaml").details[0]


@pytest.mark.parametrize("name", ["gone.yaml", "empty"])
def test_nothing_to_apply_is_an_error(name: str) -> None:
    Path("empty").mkdir()
    assert name in refusal(name).message


def test_checking_alone_needs_no_platform(capsys: pytest.CaptureFixture[str]) -> None:
    Path("a.yaml").write_text(AGENT)
    assert main(["apply", "-f", "a.yaml", "--local"]) == 0
    assert capsys.readouterr().out == "agent/a valid\n"
