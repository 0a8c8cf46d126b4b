"""What is taken as a cron schedule: five fields, or one of the usual names. Registry and runtime ask here.

The parser behind them takes more, which is refused: fields of seconds and years, R ("at random") and H ("by a
hash", due times that nobody could tell again), and names that say no time (`@reboot`).
"""

import re
from datetime import datetime

NAMES = ("@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@yearly", "@annually")
"""Schedules by name."""

_RANDOM = re.compile(r"(?:^|[\s,])[rRhH]")
_LONGEST = 200


def form_problem(text: str) -> str | None:
    """Return why a text is none of the forms that are taken, None when it is."""
    if len(text) > _LONGEST:
        return f"a schedule has {_LONGEST} characters at most"
    if text.startswith("@"):
        return (
            None if text.lower() in NAMES else f"there is no schedule {text!r}; there are {', '.join(NAMES)}"
        )
    if len(text.split()) != 5:
        return f"a schedule has five fields, not {len(text.split())}"
    if _RANDOM.search(text):
        return "R and H stand for times that nobody could tell again"
    return None


def schedule_problem(text: str) -> str | None:
    """Return what is wrong with a cron schedule, None when it is fine and due some time."""
    from croniter import croniter
    from croniter.croniter import CroniterError

    if problem := form_problem(text):
        return problem
    try:
        croniter(text, datetime(2024, 1, 1)).get_next(datetime)
    except (CroniterError, ValueError, KeyError, AttributeError) as error:
        return f"not a schedule that is ever due: {str(error)[:150]}"
    return None
