"""Packets that vanish: in a network namespace of the campaign's own the kernel drops what it is told to.

A connection whose packets are dropped is half-open: nobody is told, and what was sent is sent again.
"""

from __future__ import annotations

import ctypes
import json
import os
import subprocess

_NEW_NETWORK = 0x40000000  # CLONE_NEWNET
_DEVICE = ("dev", "lo")
# Everything goes through the first class; the second one takes no packet at all: none fits into one byte.
_WIDE = ("htb", "rate", "100gbit", "quantum", "200000")
_NOTHING = ("tbf", "rate", "1kbit", "burst", "1", "latency", "1")
_SETUP = (
    ("qdisc", "add", *_DEVICE, "root", "handle", "1:", "htb", "default", "10"),
    ("class", "add", *_DEVICE, "parent", "1:", "classid", "1:10", *_WIDE),
    ("class", "add", *_DEVICE, "parent", "1:", "classid", "1:20", *_WIDE),
    ("qdisc", "add", *_DEVICE, "parent", "1:20", "handle", "20:", *_NOTHING),
)
_REMOVE = ("qdisc", "del", *_DEVICE, "root")


class Packets:
    """The loopback interface of a namespace of our own. `dropped` counts what vanished so far."""

    def __init__(self) -> None:
        self.dropped = 0

    def drop(self, port: int) -> None:
        """Lets every packet from and to a port vanish."""
        for command in _SETUP:
            _tc(*command)
        for way in ("sport", "dport"):
            match = ("match", "ip", way, str(port), "0xffff", "flowid", "1:20")
            _tc("filter", "add", *_DEVICE, "parent", "1:", "protocol", "ip", "prio", "1", "u32", *match)

    def pass_again(self) -> None:
        """Ends that."""
        for queue in json.loads(_tc("-s", "-j", "qdisc", "show", *_DEVICE)):
            if queue["kind"] == "tbf":
                self.dropped += queue["drops"]
        _tc(*_REMOVE)


def own_network() -> Packets | None:
    """Moves this process, which has one thread, into a network namespace of its own, with loopback only.

    Returns None, and has changed nothing, where that is not allowed or packets cannot be dropped there. What
    the process starts from now on is in the namespace too; it is gone when the last of them is.
    """
    if os.getuid() != 0 or not _can_drop():
        return None
    if ctypes.CDLL(None, use_errno=True).unshare(_NEW_NETWORK) != 0:
        return None
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    return Packets()


def _can_drop() -> bool:
    """Tries it in a namespace that is gone afterwards."""
    drops = " && ".join(f"tc {' '.join(command)}" for command in (*_SETUP, _REMOVE))
    tried = ["unshare", "-n", "sh", "-c", f"ip link set lo up && {drops}"]
    try:
        return subprocess.run(tried, check=False, capture_output=True).returncode == 0
    except OSError:
        return False


def _tc(*arguments: str) -> str:
    return subprocess.run(["tc", *arguments], check=True, capture_output=True, text=True).stdout
