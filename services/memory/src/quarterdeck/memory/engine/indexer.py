"""Builds the graph index of one copied shard, then ends.

    python -m quarterdeck.memory.engine.indexer DIRECTORY LOCK_FD PARENT_PID

This takes seconds to minutes, during which the engine holds the interpreter; so it has a
process of its own, last in line for the processor.
"""

from __future__ import annotations

import sys
from pathlib import Path

from quarterdeck.memory.engine.layout import sync_tree
from quarterdeck.memory.engine.parentage import die_with_parent, step_aside
from quarterdeck.memory.engine.shard import load_edge


def main() -> None:
    """Runs the process named in the module's description."""
    directory, _lock, parent = sys.argv[1:4]
    die_with_parent(int(parent))
    step_aside()
    edge = load_edge(Path(directory))
    edge.optimize()
    edge.flush()
    edge.close()
    sync_tree(Path(directory))


if __name__ == "__main__":
    main()
