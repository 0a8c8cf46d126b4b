"""Paths that the gateway serves itself: a Trigger that declared one would never be asked.

One pattern says it to Python and, in a CRD's rule, to the API server; a placeholder stands for any segment,
so `/{page}` would be answered by `/health` too and is refused like it.
"""

import re

from quarterdeck.resources.constants import RESERVED_API_ROOTS, RESERVED_ROOTS
from quarterdeck.resources.rules import Rule

_ANY = "[{][^/]*[}]"


def _one_of(*names: str) -> str:
    return f"({'|'.join([*(name.replace('.', '[.]') for name in names), _ANY])})"


_API = f"api(/{_one_of('v1')}(/({_one_of(*RESERVED_API_ROOTS)}(/.*)?)?)?)?"
PATTERN = f"^/({_one_of(*RESERVED_ROOTS)}(/.*)?|{_API})?$"
_RESERVED = re.compile(PATTERN)


def is_reserved(path: str) -> bool:
    """True if the gateway serves the path, or some path that it stands for, itself."""
    return _RESERVED.match(path) is not None


PATH_IS_FREE = Rule(
    "the gateway itself serves this path, or one that a placeholder of it stands for",
    f"!self.path.matches('{PATTERN}')",
    lambda model: not is_reserved(model.path),
    field="path",
    hint="choose one of your own, such as /hooks/payments or /api/v1/accounts/{id}/analyze",
)
