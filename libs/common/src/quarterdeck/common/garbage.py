"""The garbage collector of a process that serves: what its rounds cost is time in which nobody is served."""

from __future__ import annotations

import gc

# Objects more than were freed that begin a round. Python's 700 are reached every other step of a run: the
# rounds took a tenth of a worker's processor time, and found next to nothing.
NEW_OBJECTS = 10_000


def keep_for_good() -> None:
    """To be called when a start is over: takes what it has left out of the collector's rounds.

    Modules, schemas and routes live as long as the process. Walking them (160,000 objects) holds the event
    loop for some 50 ms at each full collection.
    """
    gc.freeze()
    gc.set_threshold(NEW_OBJECTS)
