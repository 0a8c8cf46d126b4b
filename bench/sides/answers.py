"""How a side of a comparison is driven: one line of JSON in, one out, until its input ends.

A side is a process that stays: what it imports and opens is not part of what is measured.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable


def serve(measure: Callable[[int, int], None]) -> None:
    """Answers {"concurrency": c, "runs": n} with {"seconds": s}, the time `measure(c, n)` took."""
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        wanted = json.loads(line)
        began = time.perf_counter()
        measure(wanted["concurrency"], wanted["runs"])
        print(json.dumps({"seconds": time.perf_counter() - began}), flush=True)
