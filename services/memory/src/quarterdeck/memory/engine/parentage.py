"""What keeps an engine process from outliving the service that started it."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def die_with_parent(parent: int) -> None:
    """Asks the kernel to kill this process when the thread that started it ends (Linux only).

    Elsewhere the closed pipe ends the process, as soon as the engine lets go of the interpreter.

    Args:
        parent: the starter's process id, to notice that it died before this call.
    """
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def step_back(niceness: int) -> None:
    """Lets the platform's own processes go first on a busy machine."""
    os.nice(niceness)


def step_aside() -> None:
    """Takes only the processor time that nobody else wants, where the kernel can say so."""
    os.nice(19)
    if sys.platform.startswith("linux"):
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
