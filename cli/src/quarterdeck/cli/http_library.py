"""httpx without its own command line.

Importing `httpx` also imports `httpx._main`, which pulls in rich and pygments where they are
installed: 80 ms, a third of what `qd get` takes. httpx works without it, by design: that
module is an extra, and a failed import of it is expected.
"""

from __future__ import annotations

import sys

sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]

import httpx  # noqa: E402

__all__ = ["httpx"]
