"""`make services`, `make services-stop`: start and stop the test servers, and say where they are."""

from __future__ import annotations

import os
import sys

from hack.services import KINDS, state
from hack.services.packages import Missing


def start() -> int:
    """Starts what does not run and prints the variables that tests read."""
    for name in KINDS:
        try:
            state.ensure(state.SHARED, name)
        except (Missing, RuntimeError) as error:
            print(f"error: {name}: {error}", file=sys.stderr)
            return 1
    lines = [f"export {server.variable}={server.url}" for server in state.read(state.SHARED).values()]
    variables = state.SHARED / "env"
    variables.touch(mode=0o600)
    variables.write_text("\n".join(lines) + "\n")
    print("\n".join(lines))
    where = os.path.relpath(variables)
    print(f"# state: {os.path.relpath(state.SHARED / 'state.json')}; to use it: . {where}", file=sys.stderr)
    return 0


def stop() -> int:
    """Stops exactly those and removes their data."""
    if not state.SHARED.exists():
        print("no services were started here", file=sys.stderr)
        return 0
    print("stopped: " + (", ".join(state.stop_all(state.SHARED)) or "nothing was running"), file=sys.stderr)
    return 0


if __name__ == "__main__":
    commands = {"start": start, "stop": stop}
    if len(sys.argv) != 2 or sys.argv[1] not in commands:
        sys.exit(f"usage: python -m hack.services {'|'.join(commands)}")
    sys.exit(commands[sys.argv[1]]())
