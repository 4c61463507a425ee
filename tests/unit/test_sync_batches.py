"""One lane's batches: what goes into one, how large it gets, and how a refused one is split down to its poison."""

import pytest

from sync.ports import Answer, Failure, FailureKind
from sync.protocol import (
    FIRST_BATCH_RECORDS,
    SUSPECTS_MAX,
    Answered,
    Failed,
    LaneProtocol,
    Offered,
    Send,
    Sleep,
    State,
    Tick,
)
from sync.wire import Limits, RecordResult, ResultStatus
from tests.unit.sync_kit import bare, machine, problem, records, results, sending, sent_ids

# --- contents ---


def test_the_same_records_carry_the_same_key() -> None:
    lane = machine()
    lane.handle(Tick(), 0.0)
    first = lane.handle(Offered(records(1, 2)), 0.0)
    lane.handle(Failed(Failure(FailureKind.DNS, "x")), 0.0)
    lane.handle(Tick(), 9.0)
    again = lane.handle(Offered(records(1, 2)), 9.0)
    assert first.then == again.then
    lane.handle(Failed(Failure(FailureKind.DNS, "x")), 9.0)
    lane.handle(Tick(), 99.0)
    other = lane.handle(Offered(records(1, 2, 3)), 99.0)
    assert isinstance(first.then, Send)
    assert isinstance(other.then, Send)
    assert first.then.idempotency_key != other.then.idempotency_key


def test_a_batch_keeps_both_bounds_but_never_starves_on_a_long_record() -> None:
    limits = Limits(batch_records=2, batch_bytes=300)
    lane = machine(limits)
    lane.handle(Tick(), 0.0)
    assert sent_ids(lane.handle(Offered(records(1, 2, 3)), 0.0)) == ["r-1", "r-2"]
    lane = machine(limits)
    lane.handle(Tick(), 0.0)
    step = lane.handle(Offered([*records(1, size=200), *records(2, size=200)]), 0.0)
    assert sent_ids(step) == ["r-1"]
    assert isinstance(step.then, Send)
    assert len(step.then.body) <= 300
    lane = machine(limits)
    lane.handle(Tick(), 0.0)
    assert sent_ids(lane.handle(Offered(records(1, size=400)), 0.0)) == ["r-1"]


# --- size ---


def succeed(lane: LaneProtocol, now: float) -> int:
    """One whole batch goes through; its size."""
    offered = records(*range(1, 1001))
    ids = sent_ids(lane.handle(Offered(offered), now))
    lane.handle(results(*(RecordResult(i, ResultStatus.STORED) for i in ids)), now)
    return len(ids)


def test_the_size_doubles_up_to_the_limit() -> None:
    lane = machine()
    lane.handle(Tick(), 0.0)
    assert [succeed(lane, 0.0) for _ in range(6)] == [32, 64, 128, 256, 500, 500]


def fail(lane: LaneProtocol, waiting: int, now: float) -> float:
    """One whole batch runs into its timeout; when it is tried again."""
    lane.handle(Offered(records(*range(1, waiting + 1))), now)
    step = lane.handle(Failed(Failure(FailureKind.TIMEOUT, "x")), now)
    assert isinstance(step.then, Sleep)
    lane.handle(Tick(), step.then.until)
    return step.then.until


def test_the_size_halves_when_the_line_is_slow_and_then_grows_with_care() -> None:
    lane = machine()
    lane.handle(Tick(), 0.0)
    assert [succeed(lane, 0.0) for _ in range(2)] == [32, 64]
    now = fail(lane, 1000, 0.0)
    assert [succeed(lane, now) for _ in range(4)] == [64, 72, 81, 91]


def test_after_an_outage_the_size_recovers_by_doubling() -> None:
    """Many timeouts in a row, the last ones of batches of one, say nothing about how much the line carries."""
    lane, now = machine(), 0.0
    lane.handle(Tick(), now)
    for waiting in (1, 2, 3, 50, 50, 50):
        now = fail(lane, waiting, now)
    assert [succeed(lane, now) for _ in range(6)] == [1, 2, 4, 8, 16, 32]


def test_after_a_split_the_size_doubles_again() -> None:
    """A poisoned batch says nothing about the line."""
    lane = sending(records(*range(1, FIRST_BATCH_RECORDS + 1)))
    lane.handle(problem(400, permanent=True), 0.0)
    assert [succeed(lane, 0.0) for _ in range(3)] == [16, 32, 64]


def test_on_a_line_too_slow_for_large_batches_few_run_into_the_timeout() -> None:
    lane, now, lost, sent = machine(), 0.0, 0, 0
    lane.handle(Tick(), now)
    for _ in range(200):
        if lane.batch_records <= 100:  # what the line carries within the timeout
            sent += succeed(lane, now)
            continue
        lost += 1
        lane.handle(Offered(records(*range(1, 1001))), now)
        now += 60.0
        lane.handle(Failed(Failure(FailureKind.TIMEOUT, "x")), now)
        now += 60.0
        lane.handle(Tick(), now)
    assert lost <= 200 // 6
    assert sent >= 200 * 50


def test_a_line_that_is_down_says_nothing_about_the_size() -> None:
    lane = sending(records(*range(1, FIRST_BATCH_RECORDS + 1)))
    lane.handle(Failed(Failure(FailureKind.DNS, "x")), 0.0)
    assert lane.batch_records == FIRST_BATCH_RECORDS


# --- splitting ---


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_refused_batch_is_halved_down_to_the_poison_which_alone_is_quarantined(status: int) -> None:
    waiting = records(*range(1, 33))
    settled: list[RecordResult] = []
    lane, rounds = machine(), 0
    lane.handle(Tick(), 0.0)
    while waiting:
        rounds += 1
        step = lane.handle(Offered(waiting), 0.0)
        ids = sent_ids(step)
        if "r-17" not in ids:
            step = lane.handle(results(*(RecordResult(i, ResultStatus.STORED) for i in ids)), 0.0)
        else:
            step = lane.handle(problem(status, permanent=True), 0.0)
        assert not isinstance(step.then, Sleep), "nothing to wait for: the cloud answers"
        settled += step.settle
        gone = {result.record_id for result in step.settle}
        waiting = [record for record in waiting if record.record_id not in gone]
    assert [r.record_id for r in settled if not r.acknowledged] == ["r-17"]
    assert len(settled) == 32
    assert rounds <= 20


def test_a_single_record_refused_in_foreign_words_is_never_quarantined_and_blocks_nothing() -> None:
    lane = sending(records(1))
    step = lane.handle(Answered(Answer(400, {"content-type": "text/html"}, b"<h1>WAF</h1>")), 0.0)
    assert step.settle == ()
    assert sent_ids(lane.handle(Offered(records(1, 2)), 0.0)) == ["r-2"]


def test_a_single_record_refused_for_now_by_a_problem_stays() -> None:
    lane = sending(records(1))
    step = lane.handle(problem(422, permanent=False), 0.0)
    assert step.settle == ()
    assert lane.set_aside == 1


def test_a_middlebox_that_refuses_everything_is_taken_for_a_broken_line() -> None:
    waiting = records(*range(1, 100))
    lane, rounds = machine(), 0
    step = lane.handle(Tick(), 0.0)
    while not isinstance(step.then, Sleep):
        rounds += 1
        lane.handle(Offered(waiting), 0.0)
        step = lane.handle(bare(400), 0.0)
        assert step.settle == ()
    assert lane.state is State.WAITING
    assert lane.set_aside == SUSPECTS_MAX
    assert rounds <= 16
