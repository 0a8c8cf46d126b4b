"""What a local tool server sees of our environment: as little as a program needs to start."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

INHERITED = ("HOME", "LANG", "LC_ALL", "LOGNAME", "PATH", "SHELL", "TMPDIR", "TZ", "USER")
_DEFAULT_PATH = "/usr/local/bin:/usr/bin:/bin"


def server_environment(ours: Mapping[str, str], declared: Mapping[str, str]) -> dict[str, str]:
    """Returns the environment of a server: a few inherited variables, then what its spec declares.

    The directory of our own interpreter comes first in PATH, so that `python` in a spec is the one whose
    libraries the platform was installed with, also where the machine has none by that name.
    """
    inherited = {name: ours[name] for name in INHERITED if name in ours}
    own = str(Path(sys.executable).parent)
    path = os.pathsep.join([own, inherited.get("PATH", _DEFAULT_PATH)])
    return {**inherited, "PATH": path, **declared}
