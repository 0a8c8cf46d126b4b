"""What an address of a service says about the way to it."""

from __future__ import annotations


def is_local(address: str) -> bool:
    """Returns whether an address is a unix socket, which only its owner can enter."""
    return address.startswith("unix:")
