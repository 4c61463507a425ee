"""Intake: scans from every device and from the API, in the order in which they arrived, each one once.

The device readers only hand over; a queue with a bound and one worker stand between them and the ledger, so that a
flood never blocks a reader. The same code within the debounce window, from whatever mix of sources, is one scan.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import NamedTuple

from agent.domain.scan import route
from agent.domain.verdict import Verdict
from agent.ports import Clock

log = logging.getLogger(__name__)

REMEMBERED_MAX = 256
"""Codes remembered for debouncing at the same time."""

_BLANKS = " \t\r\n"


class Arrival(NamedTuple):
    """A text with its source and `Clock.monotonic` seconds of arrival."""

    text: str
    source: str
    at: float


@dataclass(slots=True)
class _Seen:
    last: float
    verdict: asyncio.Future[Verdict]


class Overflow(Exception):
    """More scans wait than the till keeps: this one was not taken. The text says so to the cashier."""


class Intake:
    """judge: what to do with one scan, in order; publish: who is told each verdict."""

    def __init__(
        self,
        judge: Callable[[Arrival], Awaitable[Verdict]],
        publish: Callable[[Verdict], None],
        clock: Clock,
        *,
        debounce_s: float,
        queue_max: int,
    ) -> None:
        self._judge = judge
        self._publish = publish
        self._clock = clock
        self._debounce_s = debounce_s
        self._queue: asyncio.Queue[tuple[Arrival, asyncio.Future[Verdict]]] = asyncio.Queue(queue_max)
        self._seen: OrderedDict[str, _Seen] = OrderedDict()
        self.dropped = 0

    def submit(self, arrival: Arrival) -> asyncio.Future[Verdict]:
        """Hand over a scan; the future is its verdict. A repeat within the window gets the first one's future.

        Raises Overflow when the queue is full. Never waits.
        """
        # One code comes as ]Q1..., with FNC1 or in brackets, as each scanner, camera or page spells it.
        code = route(arrival.text).text.strip(_BLANKS)
        seen = self._seen.get(code)
        if seen is not None and arrival.at - seen.last < self._debounce_s:
            seen.last = max(seen.last, arrival.at)  # a code held before the scanner stays one scan
            self._seen.move_to_end(code)
            return seen.verdict
        future: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()
        future.add_done_callback(_observe)
        try:
            self._queue.put_nowait((arrival, future))
        except asyncio.QueueFull:
            self.dropped += 1
            raise Overflow(f"{self._queue.maxsize} scans are waiting") from None
        self._remember(code, arrival.at, future)
        return future

    def begin_anew(self) -> None:
        """Another customer: what is shown now is another scan, even of a code that was here a moment ago."""
        self._seen.clear()

    def _remember(self, code: str, at: float, future: asyncio.Future[Verdict]) -> None:
        self._seen[code] = _Seen(at, future)
        self._seen.move_to_end(code)
        while len(self._seen) > REMEMBERED_MAX:
            self._seen.popitem(last=False)

    async def run(self) -> None:
        """Judge scans one after the other until cancelled; what still waits then is cancelled too."""
        try:
            while True:
                arrival, future = await self._queue.get()
                await self._one(arrival, future)
        finally:
            while not self._queue.empty():
                self._queue.get_nowait()[1].cancel()

    async def _one(self, arrival: Arrival, future: asyncio.Future[Verdict]) -> None:
        try:
            verdict = await self._judge(arrival)
        except BaseException:  # the end of the till, by order or by a bug: let nobody wait for an answer
            future.cancel()
            raise
        verdict = verdict.measured((self._clock.monotonic() - arrival.at) * 1000)
        if not future.done():
            future.set_result(verdict)
        self._publish(verdict)  # the cashier first, the journal after
        log.info(
            "scan judged",
            extra={
                "scan": verdict.scan_id,
                "source": arrival.source,
                "outcome": verdict.outcome.value,
                "ms": verdict.ms,
            },
        )


def _observe(future: asyncio.Future[Verdict]) -> None:
    """A scanner waits for no answer: look at the result so that asyncio does not complain that nobody did."""
    if not future.cancelled():
        future.exception()
