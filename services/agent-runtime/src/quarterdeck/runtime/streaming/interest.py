"""Which processes stream which runs, as far as they have said so lately. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable

# Seconds for which a word holds; it is given again well before that.
LASTS = 30.0


class Interest:
    """Who wants to hear of a run. Times are seconds of any one clock."""

    def __init__(self) -> None:
        self._until: dict[str, dict[str, float]] = {}

    def __contains__(self, run_id: object) -> bool:
        """True if anybody did, and was not found out of date yet."""
        return run_id in self._until

    def want(self, by: str, run_ids: Iterable[str], now: float) -> None:
        """Notes that a process streams these runs."""
        for run_id in run_ids:
            self._until.setdefault(run_id, {})[by] = now + LASTS

    def who(self, run_id: str, now: float) -> list[str]:
        """Returns the processes that stream a run."""
        return [by for by, until in self._until.get(run_id, {}).items() if until > now]

    def forget(self, by: str) -> None:
        """Strikes out a process that is gone."""
        self._keep(lambda name, _until: name != by)

    def tidy(self, now: float) -> None:
        """Strikes out what nobody confirmed for too long."""
        self._keep(lambda _name, until: until > now)

    def _keep(self, wanted: Callable[[str, float], bool]) -> None:
        kept = {
            run_id: {name: until for name, until in names.items() if wanted(name, until)}
            for run_id, names in self._until.items()
        }
        self._until = {run_id: names for run_id, names in kept.items() if names}
