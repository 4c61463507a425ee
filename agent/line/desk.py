"""How each lane to the cloud is, for `redeemd status --json`, the API and metrics: its state and its outbox."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from agent.domain.time import timestamp
from agent.ports import Clock, LaneNumbers, OutboxNow
from sync.lane_state import LaneState


class LaneDesk:
    def __init__(self, states: Callable[[], Sequence[LaneState]], numbers: LaneNumbers, clock: Clock) -> None:
        self._states = states
        self._numbers = numbers
        self._clock = clock

    async def report(self) -> dict[str, Any]:
        """The Lanes object of docs/openapi.yaml. Raises LedgerUnavailable or CommitUnknown."""
        outboxes = await self._numbers.outboxes()
        now, count = self._clock.now(), self._clock.monotonic()

        def at(moment: float | None) -> str | None:
            return None if moment is None else timestamp(now + timedelta(seconds=moment - count))

        return {
            "time": timestamp(now),
            "lanes": [_lane_json(lane, at, outboxes.get(lane.name), now) for lane in self._states()],
        }


def _lane_json(
    lane: LaneState, at: Callable[[float | None], str | None], outbox: OutboxNow | None, now: datetime
) -> dict[str, Any]:
    failure, tally = lane.failure, lane.tally
    return {
        "name": lane.name,
        "state": lane.state,
        "circuit": lane.circuit.value,
        "attempts": tally.attempts,
        "failures": {kind.value: count for kind, count in sorted(tally.failures.items())},
        "consecutive_failures": lane.consecutive_failures,
        "last_success": at(lane.last_success_at),
        "last_failure": None
        if failure is None
        else {
            "at": at(lane.failure_at),
            "cause": failure.kind.value,
            "detail": failure.detail,
            "zh": failure.sentence.zh,
            "en": failure.sentence.en,
        },
        "next_attempt": at(lane.next_try_at),
        "sent_bytes": tally.sent_bytes,
        "received_bytes": tally.received_bytes,
        "records": None if outbox is None else _records_json(lane, outbox, now),
    }


def _records_json(lane: LaneState, outbox: OutboxNow, now: datetime) -> dict[str, Any]:
    oldest = None if outbox.oldest is None else datetime.fromisoformat(outbox.oldest)
    return {
        "waiting": outbox.waiting,
        "oldest": outbox.oldest,
        "oldest_age_s": 0 if oldest is None else max(int((now - oldest).total_seconds()), 0),
        "set_aside": lane.set_aside,
        "quarantined": outbox.quarantined,
        "acknowledged": lane.tally.acknowledged,
        "refused": lane.tally.quarantined,
        "batch_records": lane.batch_records,
    }
