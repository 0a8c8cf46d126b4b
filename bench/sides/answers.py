"""How a side of a comparison is driven: one line of JSON in, one out, until its input ends.

A side is a process that stays: what it imports and opens is not part of what is measured.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping


def serve(measure: Callable[[int, int], Mapping[str, float] | None]) -> None:
    """Answers {"concurrency": c, "runs": n} with {"seconds": s}, the time `measure(c, n)` took.

    What `measure` returns is said as well, and wins.
    """
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        wanted = json.loads(line)
        began = time.perf_counter()
        more = measure(wanted["concurrency"], wanted["runs"])
        seconds = time.perf_counter() - began
        print(json.dumps({"seconds": seconds, **(more or {})}), flush=True)
