"""The tasks that keep lanes moving: one `LaneRunner` per upload lane, one `Poller` per periodic pull.

They own no rules: the rules are `sync.protocol` and `sync.backoff`. Each runs until cancelled, shares
nothing with another, and at any moment waits for exactly one bounded thing. Cancelling is safe anywhere:
what was sent and not settled is sent again and answered `duplicate`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random as random_module
import time
from collections.abc import Awaitable, Callable, Sequence

from sync.backoff import Backoff
from sync.errors import OutboxUnavailable
from sync.lane_state import LANE_TALLY, LaneState, Tally
from sync.missing import RESEND_MAX, Resending, Span
from sync.ports import Answer, Failure, Outbox, Uplink
from sync.protocol import (
    Answered,
    Event,
    Failed,
    LaneProtocol,
    Offered,
    OutboxFailed,
    Read,
    RetryNow,
    Send,
    Sleep,
    State,
    Step,
    Tick,
    Woken,
)
from sync.wire import DEFAULT_LIMITS, Limits

log = logging.getLogger(__name__)


class LaneRunner:
    """Drives one lane between an outbox and an uplink."""

    def __init__(
        self,
        lane: str,
        outbox: Outbox,
        uplink: Uplink,
        *,
        limits: Limits = DEFAULT_LIMITS,
        backoff: Backoff | None = None,
        interval_s: float = 30.0,
        clock: Callable[[], float] = time.monotonic,
        random: Callable[[], float] = random_module.random,
    ) -> None:
        self._protocol = LaneProtocol(
            lane, random=random, limits=limits, backoff=backoff, interval_s=interval_s
        )
        self._outbox = outbox
        self._uplink = uplink
        self._clock = clock
        self._alarm = asyncio.Event()
        self._retry_now = False
        self._failure: Failure | None = None
        self._failure_at: float | None = None
        self._failing = False
        self._tally = Tally()
        self._missed = Resending()

    @property
    def lane(self) -> str:
        return self._protocol.lane

    def wake(self) -> None:
        """A record was committed: send it at once, unless the lane is backing off. Call from the loop's
        thread.
        """
        self._alarm.set()

    def retry_now(self) -> None:
        """End a back-off: somebody asks, or the line is known to be back. A Retry-After of the cloud still
        holds.
        """
        self._retry_now = True
        self._alarm.set()

    async def missed(self, spans: Sequence[Span]) -> None:
        """The cloud never got these, though they were acknowledged: what is still there is sent again."""
        if wanted := self._missed.wanted(tuple(spans), self._clock()):
            with contextlib.suppress(OutboxUnavailable):  # it is named again with the next question
                await self._send_again(wanted)
                self.wake()

    def state(self) -> LaneState:
        protocol = self._protocol
        asleep = protocol.state in (State.IDLE, State.WAITING)
        return LaneState(
            name=protocol.lane,
            state=protocol.state.value,
            last_success_at=protocol.last_success_at,
            next_try_at=protocol.wake_at if asleep else None,
            consecutive_failures=protocol.consecutive_failures,
            failure=self._failure,
            failure_at=self._failure_at,
            set_aside=protocol.set_aside,
            batch_records=protocol.batch_records,
            tally=self._tally,
        )

    async def run(self) -> None:
        """Move records until cancelled."""
        LANE_TALLY.set(self._tally)
        event: Event = Tick()
        while True:
            step = self._protocol.handle(event, self._clock())
            if step.failure is not None:
                self._note(step.failure)
            elif self._failing and not self._protocol.consecutive_failures:
                self._failing = False
                log.info("lane %s: delivers again", self.lane)
            event = await self._perform(step)

    async def _perform(self, step: Step) -> Event:
        try:
            if step.settle:
                await self._outbox.settle(self.lane, step.settle)
                acknowledged = sum(result.acknowledged for result in step.settle)
                self._tally.acknowledged += acknowledged
                self._tally.quarantined += len(step.settle) - acknowledged
            if step.again:
                await self._send_again(step.again)
            match step.then:
                case Read(max_records, max_bytes):
                    return Offered(await self._outbox.waiting(self.lane, max_records, max_bytes))
                case Send(body, key):
                    self._tally.attempts += 1
                    outcome = await self._uplink.post_batch(self.lane, body, key)
                    return Answered(outcome) if isinstance(outcome, Answer) else Failed(outcome)
                case Sleep(until):
                    return await self._sleep(until)
        except OutboxUnavailable as error:
            return OutboxFailed(str(error))

    async def _send_again(self, spans: Sequence[Span]) -> None:
        count = await self._outbox.send_again(self.lane, spans, RESEND_MAX)
        log.warning("lane %s: the cloud misses %s; %d records are sent again", self.lane, spans, count)

    async def _sleep(self, until: float) -> Event:
        rang = await _wait(self._alarm, until - self._clock())
        self._alarm.clear()
        wanted, self._retry_now = self._retry_now, False
        if wanted:
            return RetryNow()
        return Woken() if rang else Tick()

    def _note(self, failure: Failure) -> None:
        news = self._failure is None or failure.kind is not self._failure.kind or not self._failing
        self._failure, self._failure_at, self._failing = failure, self._clock(), True
        self._tally.failures[failure.kind] += 1
        level = logging.WARNING if news else logging.DEBUG  # weeks without a line are no weeks of warnings
        log.log(level, "lane %s: %s: %s", self.lane, failure.kind.value, failure.detail)


class Poller:
    """Calls `fetch` now and then: every interval_s after a success, backing off after a failure.

    fetch: True when there was something new, False when not, a Failure when nothing was learnt. It must
    bound its own waits; what it raises is a bug and ends `run`.
    """

    def __init__(
        self,
        name: str,
        fetch: Callable[[], Awaitable[bool | Failure]],
        *,
        interval_s: float,
        backoff: Backoff | None = None,
        clock: Callable[[], float] = time.monotonic,
        random: Callable[[], float] = random_module.random,
    ) -> None:
        self.name = name
        self._fetch = fetch
        self._interval_s = interval_s
        self._backoff = backoff or Backoff(base_s=min(1.0, interval_s), cap_s=interval_s)
        self._clock = clock
        self._random = random
        self._alarm = asyncio.Event()
        self._tally = Tally()
        self._state = LaneState(name, "idle", None, None, 0, None, None, tally=self._tally)

    def poll_now(self) -> None:
        """Fetch at once, whatever the waiting time: somebody asks."""
        self._alarm.set()

    def state(self) -> LaneState:
        return self._state

    async def run(self) -> None:
        """Fetch until cancelled, the first time at once."""
        LANE_TALLY.set(self._tally)
        while True:
            self._alarm.clear()
            self._tally.attempts += 1
            self._state = self._state.asking()
            outcome = await self._fetch()
            wait_s = self._failed(outcome) if isinstance(outcome, Failure) else self._succeeded()
            await _wait(self._alarm, wait_s)

    def _succeeded(self) -> float:
        # A tenth more or less keeps a fleet that started together from asking together for ever.
        wait_s = self._interval_s * (0.9 + 0.2 * self._random())
        self._state = self._state.succeeded(self._clock(), wait_s)
        return wait_s

    def _failed(self, failure: Failure) -> float:
        self._tally.failures[failure.kind] += 1
        failures, known = self._state.consecutive_failures + 1, self._state.failure
        wait_s = (failure.retry_after_s or 0.0) + self._backoff.delay_s(failures, self._random)
        self._state = self._state.failed(failure, self._clock(), wait_s)
        news = failures == 1 or known is None or failure.kind is not known.kind
        level = logging.WARNING if news else logging.DEBUG
        log.log(level, "%s: %s: %s", self.name, failure.kind.value, failure.detail)
        return wait_s


async def _wait(alarm: asyncio.Event, seconds: float) -> bool:
    """Wait for the alarm at most so long; whether it rang."""
    if not alarm.is_set() and seconds > 0:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await alarm.wait()
    return alarm.is_set()
