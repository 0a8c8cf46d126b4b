"""Finds cases and reads them, with the line of every field."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from pydantic import ValidationError

from quarterdeck.cli.constants import EXIT_INVALID, EXIT_NOT_FOUND
from quarterdeck.cli.errors import CliError
from quarterdeck.cli.testing.case import EVERY_AGENT, Case
from quarterdeck.common.clock import parse_rfc3339
from quarterdeck.resources.constants import MAX_MANIFEST_BYTES
from quarterdeck.resources.errors import FieldError
from quarterdeck.resources.field_errors import field_errors
from quarterdeck.resources.manifests import Manifest, ManifestError, Problem, load_manifests

CASES, MANIFESTS = "cases", "manifests"
SUFFIXES = (".yaml", ".yml")


@dataclass(frozen=True, slots=True)
class LocatedCase:
    """A case and the document that it was read from."""

    case: Case
    document: Manifest

    def place(self, path: str = "") -> str:
        """Returns "file:line" of a field."""
        return f"{self.document.source}:{self.document.line_of(path)}"


@dataclass(frozen=True, slots=True)
class Suite:
    """Cases and the folders of the manifests that they are about."""

    manifests: tuple[Path, ...]
    cases: tuple[LocatedCase, ...]


def read_suites(paths: Sequence[str], manifests: Sequence[str], names: Sequence[str]) -> list[Suite]:
    """Reads the cases below `paths`, one suite for each folder of manifests.

    Args:
        paths: folders (with a folder `cases`, or of case files) and case files.
        manifests: folders or files of manifests; none: the folder `manifests` beside the cases.
        names: keep the cases with one of these names only; globs.

    Raises:
        CliError: nothing is there, or something is wrong with a case.
    """
    grouped: dict[tuple[Path, ...], list[LocatedCase]] = {}
    given, problems = tuple(Path(name) for name in manifests), list[Problem]()
    for file in dict.fromkeys(file for path in paths for file in _files(Path(path))):
        found = read_cases(file, problems)
        grouped.setdefault(given or (_manifests_of(file),), []).extend(found)
    problems += _doubles([case for cases in grouped.values() for case in cases])
    if problems:
        raise _refused(problems)
    suites = [Suite(folder, _chosen(cases, names)) for folder, cases in grouped.items()]
    if not any(suite.cases for suite in suites):
        wanted = f" named {', '.join(names)}" if names else ""
        raise CliError(f"there is no case{wanted} in {', '.join(paths)}", code=EXIT_NOT_FOUND)
    return [suite for suite in suites if suite.cases]


def read_cases(file: Path, problems: list[Problem]) -> list[LocatedCase]:
    """Reads the cases of one file; what is wrong with them is added to `problems`."""
    try:
        with file.open("rb") as stream:
            documents = load_manifests(stream.read(MAX_MANIFEST_BYTES + 1), str(file))
    except OSError as error:
        problems.append(Problem(str(file), 0, FieldError("", f"cannot be read: {error.strerror}")))
        return []
    except ManifestError as error:
        problems += error.problems
        return []
    cases = []
    for document in documents:
        try:
            cases.append(LocatedCase(_case(document), document))
        except CaseInvalid as invalid:
            problems += document.problems(invalid.errors)
    return cases


class CaseInvalid(Exception):
    """A document that is no case."""

    def __init__(self, errors: list[FieldError]) -> None:
        super().__init__(errors)
        self.errors = errors


def _case(document: Manifest) -> Case:
    try:
        case = Case.model_validate(document.data, by_alias=True, by_name=False)
    except ValidationError as error:
        raise CaseInvalid([_as_written(found) for found in field_errors(error, Case)]) from None
    try:
        parse_rfc3339(case.at)
    except ValueError as error:
        raise CaseInvalid([FieldError("at", str(error), "a time such as 2025-01-31T09:00:00Z")]) from None
    return case


def _as_written(error: FieldError) -> FieldError:
    """A plain list of turns is read as the script of every agent; its path does not say so."""
    return FieldError(error.path.replace(f"model[{EVERY_AGENT!r}]", "model"), error.message, error.hint)


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise CliError(f"there is no {path}", code=EXIT_NOT_FOUND)
    # Below a folder that is not called `cases` there may be manifests.
    found = (path / CASES).rglob("*") if (path / CASES).is_dir() else path.iterdir()
    return sorted(file for file in found if file.suffix in SUFFIXES and file.is_file())


def _manifests_of(file: Path) -> Path:
    """Returns the folder of manifests that is nearest to a case file."""
    for folder in list(file.absolute().parents)[:3]:
        if (folder / MANIFESTS).is_dir():
            return folder / MANIFESTS
    raise CliError(
        f"there is no folder `{MANIFESTS}` beside {file}",
        hint="name the manifests with -m",
        code=EXIT_NOT_FOUND,
    )


def _chosen(cases: Sequence[LocatedCase], names: Sequence[str]) -> tuple[LocatedCase, ...]:
    if not names:
        return tuple(cases)
    return tuple(case for case in cases if any(fnmatchcase(case.case.name, name) for name in names))


def _doubles(cases: Sequence[LocatedCase]) -> list[Problem]:
    first: dict[str, LocatedCase] = {}
    problems = []
    for located in cases:
        known = first.setdefault(located.case.name, located)
        if known is not located:
            error = FieldError(
                "name", f"there is a case {located.case.name!r} already, at {known.place('name')}"
            )
            problems += located.document.problems([error])
    return problems


def _refused(problems: Sequence[Problem]) -> CliError:
    plural = "s" if len(problems) > 1 else ""
    return CliError(
        f"the cases cannot be read: {len(problems)} problem{plural}",
        details=[str(problem) for problem in problems],
        hint="docs/testing.md explains the fields",
        code=EXIT_INVALID,
    )
