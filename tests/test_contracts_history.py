"""The wire contracts break nobody: compared with main, with their last changes and with the last release.

Main is where a branch left it. On main itself that is the very commit, so the states after the last changes
of the contracts are asked as well. Where there is nothing to compare with (an archive, a shallow clone) the
summary of the tests says so.
"""

import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
BUF = Path(sys.executable).parent / "buf"
MARK = "proto/buf.yaml"
"""The file that every commit with contracts has."""
LAST_CHANGES = 3
SECONDS = 120
"""Longest time of one command."""


class NoHistory(AssertionError):
    """There is nothing to compare the contracts with."""


def git(root: Path, *arguments: str) -> str:
    """Returns what git says, empty if it refuses."""
    asked = subprocess.run(
        ["git", "-C", str(root), *arguments], capture_output=True, text=True, check=False, timeout=SECONDS
    )
    return asked.stdout.strip() if asked.returncode == 0 else ""


def bases(root: Path) -> list[str]:
    """Returns the commits to compare with, each state of the contracts once. Raises NoHistory."""
    if not (root / ".git").exists():
        raise NoHistory(f"{root} is no clone: contracts can only be compared in a git repository")
    if git(root, "rev-parse", "--is-shallow-repository") != "false":
        raise NoHistory("this clone is shallow: get the whole history with `git fetch --unshallow`")
    candidates = [*left_main(root), *last_changes(root), release(root)]
    states = {git(root, "rev-parse", f"{commit}:proto"): commit for commit in candidates}
    return list(states.values())


def left_main(root: Path) -> list[str]:
    """Returns where the present commit left main, as far as main is known and had contracts by then."""
    found = [git(root, "merge-base", "HEAD", main) for main in ("origin/main", "main")]
    return [commit for commit in found if commit and has_contracts(root, commit)]


def last_changes(root: Path) -> list[str]:
    """Returns the newest commits that changed the contracts."""
    found = git(root, "log", "--format=%H", f"-{LAST_CHANGES}", "--", "proto").split()
    return [commit for commit in found if has_contracts(root, commit)]


def release(root: Path) -> str:
    """Returns the commit of the last tag, without one the first that had contracts. Raises NoHistory."""
    tag = git(root, "describe", "--tags", "--abbrev=0")
    if tag and has_contracts(root, tag):
        return git(root, "rev-parse", f"{tag}^{{commit}}")
    first = git(root, "log", "--diff-filter=A", "--format=%H", "--", MARK).split()
    if not first:
        raise NoHistory(f"no commit here has {MARK}")
    return first[-1]


def has_contracts(root: Path, commit: str) -> bool:
    return bool(git(root, "rev-parse", "--verify", "--quiet", f"{commit}:{MARK}"))


def broken(root: Path, commit: str, scratch: Path) -> str:
    """Returns what the contracts as they lie there break of a commit's; empty if nothing."""
    packed = scratch / f"{commit}.tar"
    assert git(root, "archive", "--output", str(packed), commit, "proto") == "" and packed.exists(), commit
    with tarfile.open(packed) as archive:
        archive.extractall(scratch / commit, filter="data")
    against = str(scratch / commit / "proto")
    command = [str(BUF), "breaking", "--against", against]
    asked = subprocess.run(
        command, cwd=root / "proto", capture_output=True, text=True, check=False, timeout=SECONDS
    )
    return "" if asked.returncode == 0 else asked.stdout + asked.stderr or f"buf: {asked.returncode}"


def test_nothing_breaks_what_main_and_the_last_release_have(tmp_path):
    try:
        commits = bases(ROOT)
    except NoHistory as why:
        pytest.skip(f"the contracts beside earlier ones: {why}")
    found = {commit: broken(ROOT, commit, tmp_path) for commit in commits}
    assert found
    assert not any(found.values()), found


IDENTITY = {f"GIT_{who}_{what}": "t@t" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}


class Repository:
    """A small repository with contracts of one message."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "proto/a/v1").mkdir(parents=True)
        (root / MARK).write_text("version: v2\nbreaking:\n  use: [FILE]\n")
        self.do("init", "-q", "-b", "main")

    def do(self, *arguments: str) -> None:
        env = {**os.environ, **IDENTITY}
        subprocess.run(["git", *arguments], cwd=self.root, env=env, check=True, timeout=SECONDS)

    def commit(self, *fields: str) -> str:
        """Commits contracts with these fields; returns the commit."""
        lines = "".join(f"  string {name} = {number};\n" for number, name in enumerate(fields, 1))
        text = f'syntax = "proto3";\npackage a.v1;\nmessage M {{\n{lines}}}\n'
        (self.root / "proto/a/v1/m.proto").write_text(text)
        self.do("add", "-A")
        self.do("commit", "-q", "--allow-empty", "-m", "x")
        return git(self.root, "rev-parse", "HEAD")

    def breaks(self, scratch: Path) -> list[str]:
        """Returns the commits that the contracts break."""
        return [commit for commit in bases(self.root) if broken(self.root, commit, scratch)]


@pytest.fixture
def repository(tmp_path):
    return Repository(tmp_path / "clone")


def test_a_break_is_found_however_many_commits_ago_a_branch_made_it(repository, tmp_path):
    repository.commit("a")
    left = repository.commit("a", "b")
    repository.do("switch", "-q", "-c", "branch")
    for more in range(LAST_CHANGES + 2):
        repository.commit("a", *(f"c{number}" for number in range(more + 1)))
    assert left in repository.breaks(tmp_path)
    repository.commit("a", "b", "c")
    assert left not in repository.breaks(tmp_path)


def test_a_break_on_main_is_found_in_the_last_changes_and_since_the_release(repository, tmp_path):
    repository.commit("a")
    before = repository.commit("a", "b")
    repository.commit("a")
    repository.commit("a")
    assert repository.breaks(tmp_path) == [before]
    released = repository.commit("a", "b", "c")
    repository.do("tag", "v1")
    for more in range(LAST_CHANGES + 1):
        repository.commit("a", "b", *(f"d{number}" for number in range(more)))
    assert released in repository.breaks(tmp_path)


def test_nothing_to_compare_with_is_a_failure_with_a_name(repository, tmp_path):
    with pytest.raises(NoHistory, match="no commit here has"):
        bases(repository.root)
    repository.commit("a")
    repository.commit("a", "b")
    source = f"file://{repository.root}"
    repository.do("clone", "-q", "--depth", "1", source, str(tmp_path / "shallow"))
    with pytest.raises(NoHistory, match="shallow"):
        bases(tmp_path / "shallow")
    (tmp_path / "unpacked").mkdir()
    with pytest.raises(NoHistory, match="no clone"):
        bases(tmp_path / "unpacked")
