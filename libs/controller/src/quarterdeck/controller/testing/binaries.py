"""Where etcd and kube-apiserver are."""

from __future__ import annotations

import os
from pathlib import Path

FOLDER_VARIABLE = "QD_KUBERNETES_BIN"
_CACHE = Path("~/.cache/k8s-tools")
PROGRAMS = ("etcd", "kube-apiserver")


def find_programs() -> Path | None:
    """Returns the folder with the programs: `$QD_KUBERNETES_BIN`, else the newest built; None for none."""
    named = os.environ.get(FOLDER_VARIABLE)
    if named:
        folders = [Path(named)]
    else:
        folders = sorted(_CACHE.expanduser().glob("v*/bin"), key=_version, reverse=True)
    return next((folder for folder in folders if all((folder / name).exists() for name in PROGRAMS)), None)


def _version(folder: Path) -> list[int]:
    return [int(part) for part in folder.parent.name.lstrip("v").split(".") if part.isdecimal()]
