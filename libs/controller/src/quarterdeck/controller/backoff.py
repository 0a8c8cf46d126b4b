"""How long a key that keeps failing waits before it is tried again."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """Waits that double with each failure in a row: `first`, twice that, and so on up to `most` seconds."""

    first: float = 0.02
    most: float = 60.0

    def delay(self, failures: int) -> float:
        """Returns the seconds to wait after `failures` failures in a row; 0 for none."""
        if failures <= 0:
            return 0.0
        # The exponent is bounded: a power of a key that failed for days would overflow a float.
        return min(self.first * 2.0 ** min(failures - 1, 64), self.most)
