"""Where the servers' programs are, and Debian's packages that bring them."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

POLICY = Path("/usr/sbin/policy-rc.d")


class Missing(Exception):
    """A server is not installed and cannot be installed by us."""


def find(program: str, package: str, folders: list[str]) -> Path:
    """Returns the path of `program`, installed if need be: in the newest folder that matches, or on the PATH.

    Raises:
        Missing: it is not there, and we are not root on a Debian.
    """
    found = _look(program, folders)
    if found is None:
        install(package)
        found = _look(program, folders)
    if found is None:
        raise Missing(f"the package {package} did not bring the program {program}")
    return found


def _look(program: str, folders: list[str]) -> Path | None:
    for pattern in folders:
        matches = sorted(Path("/").glob(pattern.lstrip("/") + "/" + program), key=_version)
        if matches:
            return matches[-1]
    on_path = shutil.which(program)
    return Path(on_path) if on_path else None


def _version(path: Path) -> list[int]:
    return [
        int(part) for piece in path.parts for part in piece.replace("-", ".").split(".") if part.isdigit()
    ]


def install(package: str) -> None:
    """Installs one of Debian's packages without starting what it brings."""
    if os.getuid() != 0 or shutil.which("apt-get") is None:
        raise Missing(f"{package} is not installed; on Debian: sudo apt-get install {package}")
    with _daemons_kept_off():
        if not _apt_get("install", "-y", "--no-install-recommends", package):
            _apt_get("update")
            if not _apt_get("install", "-y", "--no-install-recommends", package):
                raise Missing(f"apt-get install {package} failed")


def _apt_get(*arguments: str) -> bool:
    command = ["apt-get", "-q", "-o", "DPkg::Lock::Timeout=300", *arguments]
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(
        command, check=False, env=environment, capture_output=True, stdin=subprocess.DEVNULL
    )
    return done.returncode == 0


@contextmanager
def _daemons_kept_off() -> Iterator[None]:
    """While packages are installed, nothing of the distribution's is started; an existing policy is kept."""
    ours = not POLICY.exists()
    if ours:
        POLICY.write_text("#!/bin/sh\nexit 101\n")
        POLICY.chmod(0o755)
    try:
        yield
    finally:
        if ours:
            POLICY.unlink(missing_ok=True)
