"""News: one request to the cloud that waits, so that a revocation arrives within seconds and not with the next round.

Nothing rests on it: where the cloud has no news, or something between cuts what is silent, the till asks at its own
pace as ever, and says nothing of it.
"""

from __future__ import annotations

import asyncio
import logging
import random as random_module
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace

from sync.backoff import Backoff
from sync.errors import WireError
from sync.lane_state import LANE_TALLY, LaneState, Tally
from sync.news import NEWS_BYTES_MAX, NEWS_TYPE, News, news_path, read_news
from sync.ports import Answer, Failure, FailureKind
from sync.status import failure_of
from sync.wire import media_type

log = logging.getLogger(__name__)

WAIT_S = 45
"""Below the minute after which most proxies cut what is silent; where one is quicker, half of it is tried next."""
WAIT_LEAST_S = 5
REST_S = 1.0
"""At least between two questions: however much is new, the till asks once a second at most."""


Ask = Callable[[str, int, float], Awaitable[Answer | Failure]]
"""(path, longest body, seconds that the cloud may keep it) -> what came."""


class NewsWatch:
    """Never more than one request. ask: `HttpUplink.wait`. woken: called when there is something new.

    rest_s, clock and random: for tests.
    """

    def __init__(
        self,
        ask: Ask,
        till: str,
        woken: Callable[[], None],
        backoff: Backoff,
        *,
        wait_s: int = WAIT_S,
        rest_s: float = REST_S,
        clock: Callable[[], float] = time.monotonic,
        random: Callable[[], float] = random_module.random,
    ) -> None:
        self._question = ask
        self._till = till
        self._woken = woken
        self._backoff = backoff
        self._wait_s = max(wait_s, 1)
        self._rest_s = rest_s
        self._clock = clock
        self._random = random
        self._seen = ""
        self._tally = Tally()
        self._state = LaneState("news", "fetching", None, None, 0, None, None, tally=self._tally)

    def state(self) -> LaneState:
        return self._state

    async def run(self) -> None:
        """Wait for news until cancelled."""
        LANE_TALLY.set(self._tally)
        while True:
            asked_at, self._state = self._clock(), self._state.asking()
            self._tally.attempts += 1
            news = await self._ask()
            if isinstance(news, Failure):
                await self._failed(news)
            elif news.mark != self._seen:
                first, self._seen = not self._seen, news.mark
                self._state = self._state.succeeded(self._clock(), 0.0)
                # A fleet that was woken together does not ask together.
                await self._rest(news.spread_ms / 1000 * self._random())
                if not first:  # at the start everything is asked for anyway
                    self._woken()
                await self._rest(self._rest_s)
            elif self._clock() - asked_at < self._wait_s / 2:
                await self._failed(Failure(FailureKind.PROTOCOL, "the cloud does not keep the question"))
            else:
                self._state = self._state.succeeded(self._clock(), 0.0)

    async def _rest(self, wait_s: float) -> None:
        self._state = replace(self._state, next_try_at=self._clock() + wait_s)
        await asyncio.sleep(wait_s)

    async def _failed(self, failure: Failure) -> None:
        self._tally.failures[failure.kind] += 1
        failures = self._state.consecutive_failures + 1
        wait_s = self._rest_s + (failure.retry_after_s or 0.0) + self._backoff.delay_s(failures, self._random)
        self._state = self._state.failed(failure, self._clock(), wait_s)
        await asyncio.sleep(wait_s)

    async def _ask(self) -> News | Failure:
        """A Failure where nothing was learnt; the wait is shorter next time, in case something cuts what is silent."""
        path = news_path(self._till, self._seen, self._wait_s)
        answer = await self._question(path, NEWS_BYTES_MAX, self._wait_s)
        failure = answer if isinstance(answer, Failure) else failure_of(answer)
        if isinstance(answer, Answer) and failure is None:
            if media_type(answer.headers) == NEWS_TYPE:
                try:
                    return read_news(answer.body)
                except WireError as error:
                    log.debug("news: %s", error)
                    return Failure(FailureKind.PROTOCOL, str(error))
            failure = Failure(FailureKind.PROTOCOL, f"expected {NEWS_TYPE}")
        assert failure is not None, "an answer is usable or a failure"
        log.debug("news: %s", failure)
        self._wait_s = max(self._wait_s // 2, min(WAIT_LEAST_S, self._wait_s))
        return failure
