"""A support bundle as a file: gzipped tar, with one list of what is inside."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from quarterdeck.cli.bundle.parts import Part
from quarterdeck.cli.bundle.redaction import without

CONTENTS = "contents.txt"
_PREFACE = """What is in this bundle. Read it before you pass it on.

Removed: every text that is not a known harmless name, whole labels, annotations, inputs, outputs and
environments, what stands in quotation marks, addresses of people, credentials in addresses, and the tokens of
this machine.

"""


def contents(parts: Iterable[Part]) -> str:
    """Returns the list of what is inside, the same that people are shown."""
    rows = [f"{part.name:<36}{len(part.content):>10}  {part.said}" for part in parts]
    return _PREFACE + "\n".join(rows) + "\n"


def write(path: Path, parts: Sequence[Part], secrets: Sequence[str], now: float) -> list[Part]:
    """Writes the bundle, readable by its owner alone, and returns what is in it.

    Args:
        secrets: values that are removed wherever they stand.
        now: seconds since 1970, as the time of all files.
    """
    clean = [Part(part.name, part.said, without(part.content, secrets)) for part in parts]
    path.touch(mode=0o600)
    folder = path.name.removesuffix(".gz").removesuffix(".tar")
    with tarfile.open(path, "w:gz") as archive:
        listed = Part(CONTENTS, "this list", contents(clean).encode())
        for part in (listed, *clean):
            entry = tarfile.TarInfo(f"{folder}/{part.name}")
            entry.size, entry.mtime, entry.mode = len(part.content), int(now), 0o600
            archive.addfile(entry, io.BytesIO(part.content))
    return clean
