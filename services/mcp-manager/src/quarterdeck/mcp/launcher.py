"""Runs one tool server, and leaves nothing of it behind.

The manager starts this file as a script of its own (`python -I -S launcher.py WATCH_FD GRACE -- COMMAND…`),
so it imports little and only from the standard library. It starts the command in a process group of its
own, hands it standard input, output and error as they are (nothing is relayed), and then waits for one of

* the command's end: its exit status becomes the launcher's (128 + n after signal n),
* end of file on WATCH_FD, a socket whose other end only the manager holds: the manager is gone or wants the
  server gone, or
* SIGTERM.

In each case every process that the command started is ended: SIGTERM first, SIGKILL after GRACE seconds.
On Linux that includes processes that left their session, because the launcher is a "subreaper": orphans
become its children and are found in /proc. Elsewhere it is the process group and the tree that `ps` shows.

Exit status 127 with a line on standard error means that the command could not be started.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import time

CANNOT_START = 127
_LINUX = sys.platform == "linux"
_POLL_SECONDS = 0.02
_GIVE_UP_SECONDS = 10.0
_PR_SET_CHILD_SUBREAPER = 36
_RESET_SIGNALS = (signal.SIGPIPE, signal.SIGINT, signal.SIGTERM, signal.SIGCHLD, signal.SIGXFSZ)


def adopt_orphans() -> None:
    """Makes this process the parent of every descendant whose own parent ends (Linux only)."""
    if _LINUX:
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def parents_from_proc() -> dict[int, int]:
    """Returns the parent of every living process of the machine, read from /proc."""
    found: dict[int, int] = {}
    for entry in os.listdir("/proc"):  # noqa: PTH208 - pathlib would double the launcher's start
        if entry.isdigit():
            with contextlib.suppress(OSError), open(f"/proc/{entry}/stat", "rb") as stat:  # noqa: PTH123
                # The name in parentheses may hold spaces and parentheses itself.
                state, parent = stat.read().rpartition(b")")[2].split()[:2]
                if state != b"Z":
                    found[int(entry)] = int(parent)
    return found


def parents_from_ps() -> dict[int, int]:
    """Returns the parent of every living process of the machine, asked of `ps` (itself left out)."""
    import subprocess

    with subprocess.Popen(["ps", "-axo", "pid=,ppid=,state="], stdout=subprocess.PIPE, text=True) as ps:
        assert ps.stdout is not None
        rows = [line.split() for line in ps.stdout]
    living = [row for row in rows if len(row) == 3 and not row[2].startswith("Z")]
    return {int(pid): int(parent) for pid, parent, _ in living if int(pid) != ps.pid}


def descendants(root: int, parent_of: dict[int, int]) -> set[int]:
    """Returns every process below `root`."""
    children: dict[int, list[int]] = {}
    for pid, parent in parent_of.items():
        children.setdefault(parent, []).append(pid)
    found: set[int] = set()
    queue = [root]
    while queue:
        below = [pid for pid in children.get(queue.pop(), []) if pid not in found]
        found.update(below)
        queue.extend(below)
    return found


def living(group: int) -> set[int]:
    """Returns what is left to end: process ids, and where there is no subreaper the negative group id."""
    if _LINUX:
        return descendants(os.getpid(), parents_from_proc())
    found = descendants(os.getpid(), parents_from_ps())
    with contextlib.suppress(OSError):
        os.killpg(group, 0)
        found.add(-group)
    return found


def end_tree(main: int, grace: float) -> int | None:
    """Ends everything below this process; returns the main child's wait status if it was collected here."""
    start = time.monotonic()
    status = None
    asked: set[int] = set()
    while targets := living(main):
        elapsed = time.monotonic() - start
        if elapsed > grace + _GIVE_UP_SECONDS:
            break
        if elapsed >= grace:
            _signal(targets, signal.SIGKILL)
        else:
            # Asked once each: many programs take a second SIGTERM for impatience.
            _signal(targets - asked, signal.SIGTERM)
            asked |= targets
        time.sleep(_POLL_SECONDS)
        status = _first(status, reap(main))
    return _first(status, reap(main))


def _signal(targets: set[int], number: int) -> None:
    for target in targets:
        with contextlib.suppress(OSError):
            os.kill(target, number)


def _first(one: int | None, other: int | None) -> int | None:
    return other if one is None else one


def reap(main: int) -> int | None:
    """Collects every child that has ended; returns the main one's wait status if it was among them."""
    status = None
    with contextlib.suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            if ended[0] == main:
                status = ended[1]
    return status


def start(command: list[str]) -> int:
    """Starts the command in a process group of its own and returns its process id."""
    try:
        return os.posix_spawnp(command[0], command, os.environ, setpgroup=0, setsigdef=_RESET_SIGNALS)
    except OSError as error:
        sys.stderr.write(f"launcher: cannot start {command[0]!r}: {error.strerror}\n")
        sys.exit(CANNOT_START)


def let_go_of_streams() -> None:
    """Drops standard input and output, so that the pipes end with the server and not with the launcher."""
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    os.close(null)


def wake_on_signals() -> int:
    """Returns a pipe that gets a byte (the signal's number) for each SIGCHLD and SIGTERM."""
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
    for number in (signal.SIGCHLD, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return read_end


def wait_for_end(watch: int, wake: int, main: int) -> int | None:
    """Blocks until the main child ends (its wait status) or the launcher is told to end it (None)."""
    poller = select.poll()
    poller.register(watch, select.POLLIN)
    poller.register(wake, select.POLLIN)
    while True:
        ready = {fd for fd, _ in poller.poll()}
        told = watch in ready or (wake in ready and signal.SIGTERM in os.read(wake, 512))
        status = reap(main)
        if told or status is not None:
            return status


def main(arguments: list[str]) -> int:
    """Runs `WATCH_FD GRACE -- COMMAND…` and returns the exit status to end with."""
    watch, grace, command = int(arguments[0]), float(arguments[1]), arguments[3:]
    os.set_inheritable(watch, False)
    wake = wake_on_signals()
    adopt_orphans()
    child = start(command)
    let_go_of_streams()
    status = wait_for_end(watch, wake, child)
    # What a server leaves behind when it ends by itself belongs to nobody: no grace.
    status = _first(status, end_tree(child, grace if status is None else 0.0))
    code = -signal.SIGKILL if status is None else os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
