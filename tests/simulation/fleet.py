"""A fleet of tills whose cloud was away for an hour: each till's real lane machine, one virtual clock, one model cloud.

    python -m tests.simulation.fleet [TILLS]      prints how the requests spread over the minutes after the return

The cloud answers after `latency_s` drawn anew each time and takes every record; what is looked at is when requests
come, not what they say: `sync_seeds` has that.
"""

from __future__ import annotations

import heapq
import json
import random
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache

from sync import wire
from sync.backoff import Backoff
from sync.ports import Answer, Failure, FailureKind
from sync.protocol import Answered, Event, Failed, LaneProtocol, Offered, Read, Send, Sleep, Step, Tick
from sync.wire import Limits, Record, RecordResult, ResultStatus

LANE = "redemption"
HOUR_S = 3600.0
BACKLOG = 300
"""Redemptions of a busy day at one till."""
INTERVAL_S = 30.0
LONGEST_WAIT_MINUTES = int(Backoff().cap_s // 60)


@dataclass
class FleetRun:
    """requests: how many came in each minute after the cloud's return. drained_at: when the last till was empty."""

    requests: Counter[int] = field(default_factory=Counter)
    drained_at: float = 0.0
    delivered: int = 0

    @property
    def minutes(self) -> int:
        """From the return until the last till was empty, and at least as many as tills have for coming back."""
        return max(int(self.drained_at // 60) + 1, LONGEST_WAIT_MINUTES)

    @property
    def peak_to_mean(self) -> float:
        """The busiest minute by the mean minute."""
        counts = [self.requests[minute] for minute in range(self.minutes)]
        return max(counts) * len(counts) / sum(counts)


class _Till:
    """One lane with a backlog; its records are alike, so they are made once for all tills."""

    def __init__(self, rng: random.Random, limits: Limits, backoff: Backoff) -> None:
        self.lane = LaneProtocol(
            LANE, random=rng.random, limits=limits, backoff=backoff, interval_s=INTERVAL_S
        )
        self.first = 1

    def read(self, most: int) -> tuple[Record, ...]:
        return tuple(_record(number) for number in range(self.first, min(self.first + most, BACKLOG + 1)))

    def settle(self, results: tuple[RecordResult, ...]) -> int:
        self.first += len(results)
        return len(results)


@lru_cache(maxsize=BACKLOG)
def _record(number: int) -> Record:
    event = json.dumps({"id": f"r-{number}", "pad": "x" * 800})
    return Record(LANE, number, f"r-{number}", event)


@lru_cache(maxsize=1024)
def _answer(first: int, count: int) -> Answer:
    results = [RecordResult(f"r-{number}", ResultStatus.STORED) for number in range(first, first + count)]
    return Answer(200, {"content-type": wire.RESULTS_TYPE}, wire.encode_results(results))


def outage(tills: int, seed: int = 1, backoff: Backoff | None = None, outage_s: float = HOUR_S) -> FleetRun:
    """The cloud is away for `outage_s` and comes back at time 0; returns what it then saw."""
    rng = random.Random(seed)
    limits, run = Limits(), FleetRun()
    queue: list[tuple[float, int, Event]] = []
    fleet = [_Till(rng, limits, backoff or Backoff()) for _ in range(tills)]
    for number in range(tills):
        # Their polling intervals are out of step when the line goes.
        heapq.heappush(queue, (-outage_s + rng.uniform(0, INTERVAL_S), number, Tick()))
    waiting = tills
    while waiting:
        now, number, event = heapq.heappop(queue)
        till = fleet[number]
        step = _without_io(till, till.lane.handle(event, now), now, run)
        if isinstance(step.then, Sleep):
            if till.first > BACKLOG:
                waiting -= 1
                run.drained_at = max(run.drained_at, now)
            else:
                heapq.heappush(queue, (max(step.then.until, now), number, Tick()))
            continue
        assert isinstance(step.then, Send), "only a request takes time"
        latency_s = rng.uniform(0.05, 2.0)
        if now < 0:
            failed = Failed(Failure(FailureKind.REFUSED, "the cloud is away"))
            heapq.heappush(queue, (now + latency_s, number, failed))
        else:
            run.requests[int(now // 60)] += 1
            count = step.then.body.count(b'"id"')
            heapq.heappush(queue, (now + latency_s, number, Answered(_answer(till.first, count))))
    return run


def _without_io(till: _Till, step: Step, now: float, run: FleetRun) -> Step:
    """Read and settle take no time here."""
    while True:
        run.delivered += till.settle(step.settle)
        if not isinstance(step.then, Read):
            return step
        step = till.lane.handle(Offered(till.read(step.then.max_records)), now)


def main(arguments: list[str], say: Callable[[str], None] = print) -> int:
    tills = int(arguments[0]) if arguments else 10_000
    run = outage(tills)
    for minute in range(run.minutes):
        say(f"minute {minute:2}: {run.requests[minute]:7} requests")
    say(
        f"{tills} tills, {run.delivered} records, all in {run.drained_at:.0f} s; peak {run.peak_to_mean:.2f} x mean"
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
