"""One lane's waits: they grow, are capped, end with success, and keep to what the cloud asked for."""

import pytest

from sync.ports import Failure, FailureKind
from sync.protocol import Failed, Offered, OutboxFailed, Read, RetryNow, Sleep, Step, Tick, Woken
from tests.unit.sync_kit import bare, machine, records, results, sending, stored


def test_the_wait_grows_is_capped_and_ends_with_success() -> None:
    lane, now, waits = machine(draw=1.0), 0.0, []
    lane.handle(Tick(), now)
    for _ in range(8):
        lane.handle(Offered(records(1)), now)
        step = lane.handle(Failed(Failure(FailureKind.DNS, "x")), now)
        assert isinstance(step.then, Sleep)
        waits.append(step.then.until - now)
        now = step.then.until
        lane.handle(Tick(), now)
    assert waits == [2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 64.0, 64.0]
    lane.handle(Offered(records(1)), now)
    lane.handle(results(*stored(1)), now)
    lane.handle(Offered([]), now)
    assert lane.consecutive_failures == 0


def test_a_store_that_cannot_settle_makes_the_wait_grow_although_the_cloud_answers() -> None:
    lane, now = machine(draw=1.0), 0.0
    lane.handle(Tick(), now)
    for expected in (2.0, 4.0, 8.0):
        lane.handle(Offered(records(1)), now)
        assert lane.handle(results(*stored(1)), now).settle
        step = lane.handle(OutboxFailed("disk full"), now)
        assert step.then == Sleep(now + expected)
        now += expected
        lane.handle(Tick(), now)
    assert lane.last_success_at is None


def test_a_wake_neither_shortens_nor_loses_a_back_off() -> None:
    lane = sending(records(1))
    step = lane.handle(bare(503), 0.0)
    assert lane.handle(Woken(), 0.1) == Step(step.then)
    assert lane.handle(Tick(), 0.2) == Step(step.then)
    assert isinstance(lane.handle(Tick(), 1.0).then, Read)


def test_retry_now_ends_a_back_off_but_not_a_retry_after() -> None:
    lane = sending(records(1))
    lane.handle(bare(503), 0.0)
    assert isinstance(lane.handle(RetryNow(), 0.0).then, Read)
    lane = sending(records(1))
    lane.handle(bare(503, **{"retry-after": "100"}), 0.0)
    assert lane.handle(RetryNow(), 1.0).then == Sleep(100.0)
    assert isinstance(lane.handle(Tick(), 100.0).then, Read)


@pytest.mark.parametrize(
    "headers",
    [
        {"retry-after": "100"},
        {"retry-after": "Sun, 01 Mar 2026 12:01:40 GMT", "date": "Sun, 01 Mar 2026 12:00:00 GMT"},
    ],
)
def test_retry_after_is_honoured_in_both_forms_without_a_clock(headers: dict[str, str]) -> None:
    step = sending(records(1)).handle(bare(429, **headers), 7.0)
    assert step.then == Sleep(7.0 + 100.0 + 1.0)


def test_a_store_that_fails_is_a_failure_of_this_lane_and_not_the_end_of_it() -> None:
    lane = machine()
    lane.handle(Tick(), 0.0)
    step = lane.handle(OutboxFailed("disk full"), 0.0)
    assert step.failure == Failure(FailureKind.OUTBOX, "disk full")
    assert isinstance(lane.handle(Tick(), 60.0).then, Read)
