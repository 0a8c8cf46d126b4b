"""Which tools are held back because they are not what somebody looked at."""

from __future__ import annotations

from collections.abc import Collection, Mapping

OFF, ON_FIRST_USE, STRICT = "off", "onFirstUse", "strict"


def held_tools(
    mode: str, present: Mapping[str, str], recorded: Mapping[str, str], accepted: Collection[str]
) -> frozenset[str]:
    """Returns the names of the tools that may not be called until their pin is accepted.

    Args:
        mode: `spec.pinning.mode`: "off" accepts everything, "onFirstUse" what is as it was at first, "strict"
            only what was accepted.
        present: pins of the tools as they are now, by name.
        recorded: pins at first use, by name.
        accepted: pins that somebody accepted.
    """
    if mode == OFF:
        return frozenset()
    unknown = {name: pin for name, pin in present.items() if pin not in accepted}
    if mode == STRICT:
        return frozenset(unknown)
    return frozenset(name for name, pin in unknown.items() if recorded.get(name, pin) != pin)
