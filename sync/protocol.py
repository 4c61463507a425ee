"""How one lane empties its outbox: a state machine without I/O and without a clock.

Feed it an event and the time (seconds of any monotonic clock); it returns a `Step`: results to settle in
the outbox first, perhaps a failure to report, and exactly one thing to do next, whose outcome is the next
event.

    IDLE     nothing to send            Woken, Tick -> READING
    READING  the outbox is being read   Offered     -> SENDING or IDLE
    SENDING  one batch is on its way    Answered    -> READING or WAITING;  Failed -> WAITING
    WAITING  backing off, or pacing     Tick        -> READING;  Woken changes nothing

Rules that hold in every state:

1. A record leaves the outbox by its own acknowledgement, or for quarantine by its own permanent refusal in
the cloud's words. No status, no silence and no fault of the line does either. 2. No record blocks those
behind it. One that is refused for now, or that only a middlebox refuses, is set aside in memory: it stays
in the outbox, the others go on, and it is tried again later, more and more rarely. 3. Every failure waits
(full jitter, Retry-After), so no loop turns hot: without waiting, each round either settles a record, sets
one aside or halves the batch. 4. The same records give the same bytes and so the same idempotency key.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from sync.backoff import Backoff
from sync.missing import Resending, Span, decode_missing
from sync.ports import Answer, Failure, FailureKind
from sync.status import Treatment, failure_from, looks_like_portal, rule_for
from sync.wire import (
    DEFAULT_LIMITS,
    RESULTS_TYPE,
    Limits,
    Record,
    RecordResult,
    ResultStatus,
    decode_problem,
    decode_results,
    encode_batch,
    idempotency_key,
    media_type,
)

FIRST_BATCH_RECORDS = 32
"""Size of the first batch after a start; see `LaneProtocol._grow`."""
SET_ASIDE_MAX = 256
"""Most records set aside at once; beyond it the lane backs off as a whole."""
PACE_FROM_S = 120.0
"""After so long without a success a whole fleet comes back, each till with a backlog."""
PACE_S = 15.0
"""The longest pause before each further batch then, drawn anew each time, until the outbox is empty."""
SUSPECTS_MAX = 8
"""Most of them that something other than the cloud refused: beyond it the line is to blame, not the records."""
SET_ASIDE = Backoff(base_s=60.0, cap_s=3600.0)
SET_ASIDE_FLOOR_S = 15.0  # whatever the jitter says
_SHRINKING = frozenset(
    {FailureKind.TIMEOUT, FailureKind.INTERRUPTED, FailureKind.BUSY, FailureKind.TOO_LARGE}
)
"""Failures a smaller batch may get past."""


class State(StrEnum):
    IDLE = "idle"
    READING = "reading"
    SENDING = "sending"
    WAITING = "waiting"


# --- events ---


@dataclass(frozen=True, slots=True)
class Woken:
    """Something may wait in the outbox."""


@dataclass(frozen=True, slots=True)
class Tick:
    """The time of the last `Sleep` has come."""


@dataclass(frozen=True, slots=True)
class RetryNow:
    """Somebody asks, or another lane got through: end the back-off, though not a Retry-After."""


@dataclass(frozen=True, slots=True)
class Offered:
    """What the outbox returned for the last `Read`."""

    records: Sequence[Record]


@dataclass(frozen=True, slots=True)
class OutboxFailed:
    """The outbox could not be read, or could not settle."""

    detail: str


@dataclass(frozen=True, slots=True)
class Answered:
    answer: Answer


@dataclass(frozen=True, slots=True)
class Failed:
    failure: Failure


Event = Woken | Tick | RetryNow | Offered | OutboxFailed | Answered | Failed

# --- what to do next ---


@dataclass(frozen=True, slots=True)
class Read:
    """Call `Outbox.waiting` with these bounds; the outcome is Offered or OutboxFailed."""

    max_records: int
    max_bytes: int


@dataclass(frozen=True, slots=True)
class Send:
    """Call `Uplink.post_batch`; the outcome is Answered or Failed."""

    body: bytes
    idempotency_key: str


@dataclass(frozen=True, slots=True)
class Sleep:
    """Do nothing until this time (Tick), or until there is something new (Woken, RetryNow)."""

    until: float


@dataclass(frozen=True, slots=True)
class Step:
    """settle: for `Outbox.settle`, before anything else; again: for `Outbox.send_again`, behind it.

    failure: to report, if any. then: what to do next.
    """

    then: Read | Send | Sleep
    settle: tuple[RecordResult, ...] = ()
    again: tuple[Span, ...] = ()
    failure: Failure | None = None


@dataclass(slots=True)
class _Aside:
    """One record set aside. suspect: it was not the cloud that refused it."""

    times: int
    retry_at: float
    size_bytes: int
    suspect: bool


class LaneProtocol:
    """One lane's machine. Start with state IDLE and the event Tick.

    random: uniform in [0, 1). interval_s: how long an idle lane waits before it looks into the outbox unasked.
    """

    def __init__(
        self,
        lane: str,
        *,
        random: Callable[[], float],
        limits: Limits = DEFAULT_LIMITS,
        backoff: Backoff | None = None,
        interval_s: float = 30.0,
    ) -> None:
        self.lane = lane
        self.state = State.IDLE
        self.batch_records = min(FIRST_BATCH_RECORDS, limits.batch_records)
        self.consecutive_failures = 0
        self.wake_at = 0.0
        self.last_success_at: float | None = None
        self._random = random
        self._limits = limits
        self._backoff = backoff or Backoff()
        self._interval_s = interval_s
        self._doubling_until = limits.batch_records
        self._not_before = 0.0
        self._pacing = self._paced = False
        self._failing_since = math.inf
        self._answered_at: float | None = None
        self._batch: tuple[Record, ...] = ()
        self._aside: dict[str, _Aside] = {}
        self._resending = Resending()

    @property
    def set_aside(self) -> int:
        """How many records wait set aside."""
        return len(self._aside)

    def handle(self, event: Event, now: float) -> Step:
        """Take one event; see `_TRANSITIONS`. An event that cannot happen in this state is the caller's bug."""
        transition = _TRANSITIONS.get((self.state, type(event)))
        assert transition is not None, f"lane {self.lane}: {type(event).__name__} while {self.state}"
        return transition(self, event, now)

    # --- transitions ---

    def _read(self, _event: Event, _now: float) -> Step:
        return self._read_next()

    def _stay(self, _event: Event, _now: float) -> Step:
        return Step(Sleep(self.wake_at))

    def _read_when_due(self, _event: Event, now: float) -> Step:
        return self._read_next() if now >= self.wake_at else Step(Sleep(self.wake_at))

    def _read_unless_told(self, _event: Event, now: float) -> Step:
        if now >= self._not_before:
            return self._read_next()
        self.wake_at = self._not_before
        return Step(Sleep(self.wake_at))

    def _offered(self, event: Offered, now: float) -> Step:
        assert all(record.lane == self.lane for record in event.records), "records of another lane"
        if self._answered_at is not None:
            # Only now is it a success: the cloud answered and the outbox settled. A store that cannot settle must
            # not have the same batch sent again and again without a growing wait.
            self.last_success_at, self._answered_at = self._answered_at, None
            self._pacing |= now - self._failing_since >= PACE_FROM_S
            self.consecutive_failures, self._failing_since = 0, math.inf
        if len(event.records) < self.batch_records + len(self._aside):
            # The whole outbox was seen: forget those an operator resolved meanwhile.
            seen = {record.record_id for record in event.records}
            self._aside = {key: aside for key, aside in self._aside.items() if key in seen}
        self._batch = self._fill(record for record in event.records if self._is_due(record, now))
        if not self._batch:
            self.state, self._pacing = State.IDLE, False
            self.wake_at = min([now + self._interval_s, *(aside.retry_at for aside in self._aside.values())])
            return Step(Sleep(self.wake_at))
        if self._pacing and not self._paced:
            self._batch, self._paced, self.state = (), True, State.WAITING
            self.wake_at = now + PACE_S * self._random()
            return Step(Sleep(self.wake_at))
        self._paced, self.state = False, State.SENDING
        body = encode_batch(self._batch)
        return Step(Send(body, idempotency_key(body)))

    def _answered(self, event: Answered, now: float) -> Step:
        answer = event.answer
        if looks_like_portal(answer):
            return self._back_off(failure_from(answer, FailureKind.CAPTIVE_PORTAL), now)
        rule = rule_for(answer.status)
        if rule.treatment is Treatment.PER_RECORD:
            return self._per_record(answer, now)
        assert rule.kind is not None, "only results have no kind of failure"
        failure = failure_from(answer, rule.kind)
        if rule.treatment is Treatment.SPLIT:
            return self._split(answer, failure, now)
        return self._back_off(failure, now)

    def _failed(self, event: Failed, now: float) -> Step:
        return self._back_off(event.failure, now)

    def _outbox_failed(self, event: OutboxFailed, now: float) -> Step:
        return self._back_off(Failure(FailureKind.OUTBOX, event.detail), now)

    # --- answers ---

    def _per_record(self, answer: Answer, now: float) -> Step:
        if media_type(answer.headers) != RESULTS_TYPE:
            kind = media_type(answer.headers)[:80]
            return self._back_off(
                Failure(FailureKind.PROTOCOL, f"HTTP {answer.status} with {kind!r}, expected {RESULTS_TYPE}"),
                now,
            )
        results, faults = decode_results(answer.body, [r.record_id for r in self._batch], self._limits)
        failure = Failure(FailureKind.PROTOCOL, "; ".join(faults[:3])) if faults else None
        final = tuple(result for result in results if result.acknowledged or result.permanent)
        for_now = {r.record_id: r for r in results if not (r.acknowledged or r.permanent)}
        moved = [self._put_aside(r, now, suspect=False) for r in self._batch if r.record_id in for_now]
        if for_now and failure is None:
            first = next(iter(for_now.values()))
            failure = Failure(
                FailureKind.BUSY,
                f"{len(for_now)} of {len(self._batch)} records refused for now: {first.code}: {first.sentence}",
            )
        if not final and not any(moved):
            assert failure is not None, "a record is settled, refused for now, or a fault was reported"
            return self._back_off(failure, now)
        self._grow()
        step = self._advance(final, failure, now)
        return replace(step, again=self._resending.wanted(decode_missing(answer.body, self._limits), now))

    def _split(self, answer: Answer, failure: Failure, now: float) -> Step:
        """Something in the batch is not taken: halve until it stands alone, then judge that one record."""
        if len(self._batch) > 1:
            self.batch_records = len(self._batch) // 2
            return self._read_next(failure)
        (record,) = self._batch
        problem = decode_problem(answer.status, answer.headers, answer.body, self._limits)
        if problem is not None and problem.permanent:
            refused = RecordResult(
                record.record_id, ResultStatus.REFUSED, problem.code, problem.sentence, True
            )
            return self._advance((refused,), failure, now)
        if self._put_aside(record, now, suspect=problem is None):
            return self._read_next(failure)
        return self._back_off(failure, now)

    # --- moves ---

    def _read_next(self, failure: Failure | None = None, settle: tuple[RecordResult, ...] = ()) -> Step:
        self.state = State.READING
        self._batch = ()
        # Those set aside stand before the rest in the outbox: read past them, with room for any one event behind.
        aside_bytes = sum(aside.size_bytes for aside in self._aside.values())
        room = max(self._limits.batch_bytes, self._limits.event_bytes)
        bounds = Read(self.batch_records + len(self._aside), room + aside_bytes)
        return Step(bounds, settle, failure=failure)

    def _advance(self, final: tuple[RecordResult, ...], failure: Failure | None, now: float) -> Step:
        """The cloud itself answered and something moved."""
        self._answered_at = now
        came_through = [self._aside.pop(result.record_id, None) for result in final]
        if any(came_through):
            # What was refused for now behind it may have waited for just this record: in order, and at once.
            for aside in self._aside.values():
                aside.retry_at = aside.retry_at if aside.suspect else now
        return self._read_next(failure, final)

    def _grow(self) -> None:
        """Double, but from where the line last gave way by an eighth: doubling would run into every other timeout."""
        if self.batch_records < self._doubling_until:
            grown = min(self.batch_records * 2, self._doubling_until)
        else:
            grown = self.batch_records + max(1, self.batch_records // 8)
        self.batch_records = min(grown, self._limits.batch_records)

    def _back_off(self, failure: Failure, now: float) -> Step:
        if failure.kind in _SHRINKING and self._batch:
            self.batch_records = max(1, len(self._batch) // 2)
            if self.consecutive_failures == 0:  # further failures in a row are an outage, not a slow line
                self._doubling_until = max(FIRST_BATCH_RECORDS, self.batch_records)
        self._batch = ()
        self._answered_at = None
        self.state = State.WAITING
        self.consecutive_failures += 1
        self._failing_since = min(self._failing_since, now)
        # The jitter comes on top of what the cloud asked for: it asked many tills at the same moment.
        self._not_before = now + (failure.retry_after_s or 0.0)
        self.wake_at = self._not_before + self._backoff.delay_s(self.consecutive_failures, self._random)
        return Step(Sleep(self.wake_at), failure=failure)

    def _put_aside(self, record: Record, now: float, *, suspect: bool) -> bool:
        """Set one record aside, False if there is no room. It counts as moved either way it is refused again."""
        known = self._aside.get(record.record_id)
        if known is None:
            suspects = sum(aside.suspect for aside in self._aside.values())
            if len(self._aside) >= SET_ASIDE_MAX or (suspect and suspects >= SUSPECTS_MAX):
                return False
        times = known.times + 1 if known else 1
        retry_at = now + SET_ASIDE_FLOOR_S + SET_ASIDE.delay_s(times, self._random)
        self._aside[record.record_id] = _Aside(times, retry_at, record.size_bytes, suspect)
        return True

    def _is_due(self, record: Record, now: float) -> bool:
        aside = self._aside.get(record.record_id)
        return aside is None or aside.retry_at <= now

    def _fill(self, records: Iterable[Record]) -> tuple[Record, ...]:
        """As many as the batch may hold; the first one whatever its size, because the cloud must judge it."""
        batch: list[Record] = []
        room = self._limits.batch_bytes - len("[]")
        for record in records:
            room -= record.size_bytes + len(",")
            if batch and (room < 0 or len(batch) >= self.batch_records):
                break
            batch.append(record)
        return tuple(batch)


_Transition = Callable[[LaneProtocol, Any, float], Step]

_TRANSITIONS: Mapping[tuple[State, type[Event]], _Transition] = {
    (State.IDLE, Tick): LaneProtocol._read,
    (State.IDLE, Woken): LaneProtocol._read,
    (State.IDLE, RetryNow): LaneProtocol._read,
    (State.READING, Offered): LaneProtocol._offered,
    (State.READING, OutboxFailed): LaneProtocol._outbox_failed,
    (State.SENDING, Answered): LaneProtocol._answered,
    (State.SENDING, Failed): LaneProtocol._failed,
    (State.WAITING, Tick): LaneProtocol._read_when_due,
    (State.WAITING, Woken): LaneProtocol._stay,
    (State.WAITING, RetryNow): LaneProtocol._read_unless_told,
}
