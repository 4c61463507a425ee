"""What a lane is doing and what it has done since the start: for status pages and for metrics. No I/O.

The bytes of a request are counted where it is made, for the lane in whose task it is made (`LANE_TALLY`): what a pull
fetches takes several requests, and none of them need know whose it is.
"""

from __future__ import annotations

from collections import Counter
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from enum import StrEnum

from sync.ports import Failure, FailureKind


class Circuit(StrEnum):
    """closed: requests go out as they come. open: the last one failed, none goes out until the wait is over.
    half_open: the wait is over and one request tries; its success closes the circuit, its failure opens it for longer.
    """

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(slots=True)
class Tally:
    """Only ever rises. attempts: batches sent, or fetches begun. failures: by their cause, also of an attempt that
    moved some records. acknowledged, quarantined: records. sent_bytes, received_bytes: of bodies, packed as they went.
    """

    attempts: int = 0
    failures: Counter[FailureKind] = field(default_factory=Counter)
    acknowledged: int = 0
    quarantined: int = 0
    sent_bytes: int = 0
    received_bytes: int = 0


LANE_TALLY: ContextVar[Tally | None] = ContextVar("LANE_TALLY", default=None)
"""Of the lane whose task this is."""


@dataclass(frozen=True, slots=True)
class LaneState:
    """What `redeemd status` shows of one lane or poller. Times are seconds of the runner's clock (monotonic).

    state: `protocol.State` for a lane; idle, fetching or waiting for a poller. failure: the last one, kept
    after a success for the reader; consecutive_failures is 0 when all is well now. next_try_at: None while
    at work.
    """

    name: str
    state: str
    last_success_at: float | None
    next_try_at: float | None
    consecutive_failures: int
    failure: Failure | None
    failure_at: float | None
    set_aside: int = 0
    batch_records: int = 0
    tally: Tally = field(default_factory=Tally)

    @property
    def circuit(self) -> Circuit:
        if not self.consecutive_failures:
            return Circuit.CLOSED
        return Circuit.OPEN if self.state == "waiting" else Circuit.HALF_OPEN

    def asking(self) -> LaneState:
        """A poller's, once it asks."""
        return replace(self, state="fetching", next_try_at=None)

    def succeeded(self, now: float, wait_s: float) -> LaneState:
        """A poller's, once it was answered and rests."""
        return replace(
            self, state="idle", last_success_at=now, next_try_at=now + wait_s, consecutive_failures=0
        )

    def failed(self, failure: Failure, now: float, wait_s: float) -> LaneState:
        """A poller's, once nothing was learnt and it waits."""
        return replace(
            self,
            state="waiting",
            next_try_at=now + wait_s,
            consecutive_failures=self.consecutive_failures + 1,
            failure=failure,
            failure_at=now,
        )
