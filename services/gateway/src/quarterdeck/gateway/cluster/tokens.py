"""Kubernetes tokens: the API server says whose they are, and that they are meant for us."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass

from prometheus_client import Counter

from quarterdeck.common.constants import PLATFORM_ADMINS, SERVICE_PRINCIPAL_PREFIX
from quarterdeck.common.identity import Principal
from quarterdeck.controller.api.client import Client
from quarterdeck.controller.api.reviews import User, review_token
from quarterdeck.gateway.cluster.answers import FRESH, STANDING, Answers, Unanswered, asked
from quarterdeck.gateway.constants import ACCOUNT_PREFIX, TOKEN_PREFIX
from quarterdeck.gateway.keys.format import PREFIX as KEY_PREFIX

PERMISSION = "create tokenreviews.authentication.k8s.io"
# Subjects that only the platform itself gives.
RESERVED = (SERVICE_PRINCIPAL_PREFIX, "local:", ACCOUNT_PREFIX)


@dataclass(frozen=True, slots=True)
class _Holder:
    """Whose a token is (None: nobody's), and until when, in seconds of the day's clock."""

    principal: Principal | None
    expires: float


class TokenReviews:
    """Turns tokens into principals.

    Args:
        audience: a token must be meant for it: the one that each pod is given by default is not.
        clock: seconds that only grow.
    """

    def __init__(
        self,
        client: Client,
        audience: str,
        standing: Counter,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._audience = audience
        self._standing = standing
        self._clock = clock
        self._known: Answers[bytes, _Holder] = Answers(clock)
        self._asking: dict[bytes, asyncio.Task[_Holder]] = {}

    def knows(self, token: str) -> bool:
        """True for everything but what the platform itself gives: that is shown to nobody else."""
        return not token.startswith((TOKEN_PREFIX, KEY_PREFIX))

    async def principal(self, token: str) -> Principal | None:
        """Returns whose a token is; None if it is nobody's, or meant for somebody else.

        Raises:
            Unavailable: the API server cannot be asked, and did not know the token lately.
        """
        key = hashlib.sha256(token.encode()).digest()
        holder = self._known.get(key, FRESH)
        if holder is None or holder.expires < time.time():
            # One that is cut off at the door must not take the answer from the others with that token.
            holder = await asyncio.shield(self._ask_once(key, token))
        return holder.principal

    def _ask_once(self, key: bytes, token: str) -> asyncio.Task[_Holder]:
        task = self._asking.get(key)
        if task is None:
            task = self._asking[key] = asyncio.create_task(self._ask(key, token), name="review-token")
            task.add_done_callback(lambda _: self._asking.pop(key))
        return task

    async def _ask(self, key: bytes, token: str) -> _Holder:
        began = self._clock()
        try:
            user = await asked(review_token(self._client, token, (self._audience,)), PERMISSION)
        except Unanswered as away:
            known = self._known.get(key, STANDING)
            if known is None or known.principal is None or known.expires < time.time():
                raise away.error from None
            self._standing.labels("token").inc()
            return known
        holder = _Holder(principal_of(user), expiry_of(token))
        self._known.put(key, holder, began)
        return holder


def principal_of(user: User | None) -> Principal | None:
    """Returns a user of the cluster as a principal; None for one who calls themselves what only we give.

    The group of the platform's administrators is ours, too: in a cluster, its roles decide.
    """
    if user is None or not user.name or user.name.startswith(RESERVED):
        return None
    return Principal(user.name, tuple(group for group in user.groups if group != PLATFORM_ADMINS))


def expiry_of(token: str) -> float:
    """Returns when a token that was found valid ends, by what it says; never for one that says nothing."""
    try:
        body = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
        return float(claims["exp"])
    except (IndexError, KeyError, TypeError, ValueError):
        return float("inf")
