"""Tills that wait to hear that something is new: a revocation, a campaign, a verdict for one of them.

A waiting request costs a connection and a few kilobytes and holds no database connection: while anybody waits, one look
a second at two small tables serves all tills of this receiver. What is compared is a mark that the till has had, never
an event that could be missed; so receivers need not know of one another, and a till that was away hears of it too.

Ordinary redemptions are no news: they reach tills with the next bundle, and would else wake every till for each sale.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from agent.domain.time import timestamp
from cloud.errors import Refused, SetupError, StoreUnavailable

log = logging.getLogger("redeemd.cloud")

WAIT_MAX_S = 50
LOOK_EVERY_S = 0.5
WAITERS_MAX = 20_000
"""Of one receiver; the next is told that the cloud is busy, and asks for bundles at its own pace."""
FETCHES_S = 200
"""Bundles that a receiver gives in a second: woken tills are told to spread themselves over the time that takes."""
SPREAD_MAX_MS = 30_000
BACK = timedelta(minutes=5)
"""How far a look goes back for verdicts: a transaction may take a while, and receivers' clocks differ."""


class NewsStore(Protocol):
    """The part of `cloud.ports.CloudStore` that says whether there is news."""

    async def news(self, till: str) -> tuple[int, int]:
        """The number of the last news for all tills, and of the last verdict for this one."""

    async def news_since(self, at: str) -> tuple[int, Mapping[str, int]]:
        """The number of the last news for all tills, and the last verdict of each till that got one since then."""


@dataclass(frozen=True, slots=True)
class Mark:
    """What a till has heard of: the last news for all, and its own last verdict."""

    number: int
    verdict: int

    def __str__(self) -> str:
        return f"{self.number}.{self.verdict}"


@dataclass(frozen=True, slots=True)
class Heard:
    """mark: as it is now. spread_ms: over how long a woken till shall put off its questions, at random."""

    mark: str
    spread_ms: int = 0


@dataclass(slots=True)
class _Waiter:
    mark: Mark
    heard: asyncio.Future[Heard]

    def answer(self, heard: Heard) -> None:
        if not self.heard.done():
            self.heard.set_result(heard)


class News:
    """One receiver's waiting tills, one request of each."""

    def __init__(self, store: NewsStore, now: Callable[[], datetime]) -> None:
        self._store = store
        self._now = now
        self._waiting: dict[str, _Waiter] = {}
        self._looking: asyncio.Task[None] | None = None
        self._closed = False

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    async def wait(self, till: str, seen: str, wait_s: float) -> Heard:
        """When there is something that `seen` does not know, or after `wait_s`. Raises Refused, StoreUnavailable."""
        mark = Mark(*await self._store.news(till))
        if str(mark) != seen or wait_s <= 0 or self._closed:
            return Heard(str(mark))
        if len(self._waiting) >= WAITERS_MAX and till not in self._waiting:
            raise Refused(503, "busy", "too many tills wait here already")
        waiter = _Waiter(mark, asyncio.get_running_loop().create_future())
        if (before := self._waiting.get(till)) is not None:
            before.answer(Heard(str(before.mark)))  # its connection was lost, and nobody reads it
        self._waiting[till] = waiter
        if self._looking is None:
            self._looking = asyncio.create_task(self._look(), name="news")
        try:
            async with asyncio.timeout(min(wait_s, WAIT_MAX_S)):
                return await waiter.heard
        except TimeoutError:
            return Heard(str(mark))
        finally:
            if self._waiting.get(till) is waiter:
                del self._waiting[till]

    async def _look(self) -> None:
        try:
            while self._waiting:
                try:
                    number, verdicts = await self._store.news_since(timestamp(self._now() - BACK))
                except (StoreUnavailable, SetupError) as error:
                    log.error("news: %s", error)
                    await asyncio.sleep(WAIT_MAX_S / 10)
                    continue
                self._tell(number, verdicts)
                await asyncio.sleep(LOOK_EVERY_S)
        finally:
            self._looking = None

    def _tell(self, number: int, verdicts: Mapping[str, int]) -> None:
        for till, waiter in self._waiting.items():
            mark = Mark(number, max(waiter.mark.verdict, verdicts.get(till, 0)))
            if mark != waiter.mark:
                for_all = number != waiter.mark.number
                spread_ms = min(len(self._waiting) * 1000 // FETCHES_S, SPREAD_MAX_MS) if for_all else 0
                waiter.answer(Heard(str(mark), spread_ms))

    async def close(self) -> None:
        """Answer everybody: the receiver stops."""
        self._closed = True
        for waiter in self._waiting.values():
            waiter.answer(Heard(str(waiter.mark)))
        if self._looking is not None:
            self._looking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._looking
