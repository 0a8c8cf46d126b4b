"""How a run's place in the queue changes when it is taken over from a dead worker, and when it is claimed.

See `claims.precedence`.
"""

from __future__ import annotations

from sqlalchemy import ColumnElement, case

from quarterdeck.runtime.claims.precedence import AHEAD
from quarterdeck.runtime.constants import MAX_DEPTH, PRIORITY_STEP
from quarterdeck.runtime.tables import RUN_QUEUE

_PLACE = RUN_QUEUE.c.priority
# SQL's remainder has the sign of what is divided.
_PART = (_PLACE % PRIORITY_STEP + PRIORITY_STEP) % PRIORITY_STEP
_IS_AHEAD = _PART.between(AHEAD - MAX_DEPTH, AHEAD)
PUT_AHEAD: ColumnElement[int] = case((_IS_AHEAD, _PLACE), else_=_PLACE + AHEAD)
PUT_BACK: ColumnElement[int] = case((_IS_AHEAD, _PLACE - AHEAD), else_=_PLACE)
