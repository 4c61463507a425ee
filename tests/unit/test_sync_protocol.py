"""One lane's machine: every status keeps what it must keep, and no record stands in another's way."""

import json
from collections.abc import Sequence

import pytest

from sync import wire
from sync.backoff import Backoff
from sync.ports import SENTENCES, Answer, Failure, FailureKind
from sync.protocol import (
    _TRANSITIONS,
    FIRST_BATCH_RECORDS,
    SUSPECTS_MAX,
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
from sync.status import failure_of, rule_for
from sync.wire import Limits, Problem, Record, RecordResult, ResultStatus

RESULTS = {"content-type": wire.RESULTS_TYPE}
PROBLEM = {"content-type": wire.PROBLEM_TYPE}


def records(*numbers: int, size: int = 0) -> list[Record]:
    pad = "x" * size
    return [Record("lane", n, f"r-{n}", json.dumps({"id": f"r-{n}", "pad": pad})) for n in numbers]


def machine(limits: Limits | None = None, draw: float = 0.5) -> LaneProtocol:
    return LaneProtocol("lane", random=lambda: draw, limits=limits or Limits(), backoff=Backoff(2.0, 64.0))


def sending(offered: Sequence[Record], limits: Limits | None = None) -> LaneProtocol:
    lane = machine(limits)
    lane.handle(Tick(), 0.0)
    step = lane.handle(Offered(offered), 0.0)
    assert isinstance(step.then, Send)
    return lane


def results(*given: RecordResult) -> Answered:
    return Answered(Answer(200, RESULTS, wire.encode_results(given)))


def stored(*numbers: int) -> list[RecordResult]:
    return [RecordResult(f"r-{n}", ResultStatus.STORED) for n in numbers]


def refused(number: int, *, permanent: bool) -> RecordResult:
    return RecordResult(f"r-{number}", ResultStatus.REFUSED, "no", "no", permanent)


def sent_ids(step: Step) -> list[str]:
    assert isinstance(step.then, Send)
    return [event["id"] for event in json.loads(step.then.body)]


def bare(status: int, **headers: str) -> Answered:
    return Answered(Answer(status, headers, b""))


def problem(status: int, *, permanent: bool) -> Answered:
    return Answered(Answer(status, PROBLEM, wire.encode_problem(Problem(status, "bad", "bad", permanent))))


# --- the table ---

EVENTS: tuple[Event, ...] = (
    Woken(),
    Tick(),
    RetryNow(),
    Offered([]),
    OutboxFailed("full"),
    bare(500),
    Failed(Failure(FailureKind.DNS, "")),
)


@pytest.mark.parametrize("state", list(State))
@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_every_pair_of_state_and_event_is_in_the_table_or_a_bug(state: State, event: Event) -> None:
    lane = machine()
    lane.state = state
    if (state, type(event)) in _TRANSITIONS:
        assert isinstance(lane.handle(event, 0.0), Step)
    else:
        with pytest.raises(AssertionError):
            lane.handle(event, 0.0)


@pytest.mark.parametrize("content_type", ["", "text/html", "application/json", wire.PROBLEM_TYPE])
def test_no_status_without_results_moves_a_record(content_type: str) -> None:
    """Of three records, whatever the status and whatever foreign body: nothing is settled."""
    headers = {"content-type": content_type}
    for status in range(100, 600):
        lane = sending(records(1, 2, 3))
        step = lane.handle(Answered(Answer(status, headers, b'{"results":[]}')), 0.0)
        assert step.settle == ()
        assert step.failure is not None
        assert SENTENCES[step.failure.kind].zh


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, FailureKind.NOT_ADMITTED),
        (403, FailureKind.NOT_ADMITTED),
        (404, FailureKind.NOT_FOUND),
        (405, FailureKind.NOT_FOUND),
        (410, FailureKind.NOT_FOUND),
        (408, FailureKind.BUSY),
        (425, FailureKind.BUSY),
        (429, FailureKind.BUSY),
        (500, FailureKind.BUSY),
        (503, FailureKind.BUSY),
        (599, FailureKind.BUSY),
        (406, FailureKind.PROTOCOL),
        (415, FailureKind.PROTOCOL),
        (301, FailureKind.CAPTIVE_PORTAL),
        (307, FailureKind.CAPTIVE_PORTAL),
        (511, FailureKind.CAPTIVE_PORTAL),
        (202, FailureKind.UNKNOWN_STATUS),
        (418, FailureKind.UNKNOWN_STATUS),
    ],
)
def test_a_status_that_says_nothing_of_the_batch_backs_off(status: int, kind: FailureKind) -> None:
    lane = sending(records(1, 2))
    step = lane.handle(bare(status), 10.0)
    assert step == Step(Sleep(11.0), failure=Failure(kind, step.failure.detail if step.failure else ""))
    assert (lane.state, lane.consecutive_failures) == (State.WAITING, 1)


def test_every_kind_has_its_sentences() -> None:
    assert set(SENTENCES) == set(FailureKind)


# --- per record ---


def test_each_record_leaves_by_its_own_result_only() -> None:
    lane = sending(records(1, 2, 3, 4))
    conflict = RecordResult("r-2", ResultStatus.CONFLICT, conflict={"till": "t2"})
    given = [stored(1)[0], conflict, refused(3, permanent=True)]
    step = lane.handle(results(*given), 5.0)
    assert list(step.settle) == given  # the fourth was not answered
    assert step.failure is not None
    assert step.failure.kind is FailureKind.PROTOCOL
    assert isinstance(step.then, Read)
    lane.handle(Offered([]), 6.0)
    assert (lane.consecutive_failures, lane.last_success_at) == (0, 5.0)


def test_a_results_body_under_another_media_type_is_not_believed() -> None:
    lane = sending(records(1))
    body = wire.encode_results(stored(1))
    step = lane.handle(Answered(Answer(200, {"content-type": "application/json"}, body)), 0.0)
    assert step.settle == ()
    assert isinstance(step.then, Sleep)


def test_a_record_refused_for_now_is_set_aside_and_those_behind_go_on() -> None:
    lane = sending(records(1, 2))
    step = lane.handle(results(refused(1, permanent=False), *stored(2)), 0.0)
    assert [r.record_id for r in step.settle] == ["r-2"]
    assert step.failure == Failure(FailureKind.BUSY, "1 of 2 records refused for now: no: no")
    assert lane.set_aside == 1
    assert step.then == Read(2 * FIRST_BATCH_RECORDS + 1, Limits().batch_bytes + records(1)[0].size_bytes)
    assert sent_ids(lane.handle(Offered(records(1, 3)), 0.0)) == ["r-3"]
    lane.handle(results(*stored(3)), 0.0)
    step = lane.handle(Offered(records(1)), 0.0)
    assert step.then == Sleep(30.0)  # idle, not blocked: the interval comes before its retry at 45
    assert lane.state is State.IDLE
    lane.handle(Tick(), 45.0)
    assert sent_ids(lane.handle(Offered(records(1)), 45.0)) == ["r-1"]
    lane.handle(results(*stored(1)), 45.0)
    assert lane.set_aside == 0


def test_a_set_aside_record_that_comes_through_frees_those_refused_for_now_behind_it() -> None:
    lane = sending(records(1, 2, 3))
    lane.handle(results(*(refused(n, permanent=False) for n in (1, 2, 3))), 0.0)
    lane._aside["r-1"].retry_at = 10.0
    lane.handle(Offered(records(1, 2, 3)), 0.0)
    lane.handle(Tick(), 10.0)
    assert sent_ids(lane.handle(Offered(records(1, 2, 3)), 10.0)) == ["r-1"]
    lane.handle(results(*stored(1)), 10.0)
    assert sent_ids(lane.handle(Offered(records(2, 3)), 10.0)) == ["r-2", "r-3"]


def test_set_aside_records_that_an_operator_resolved_are_forgotten() -> None:
    lane = sending(records(1, 2))
    lane.handle(results(refused(1, permanent=False), *stored(2)), 0.0)
    lane.handle(Offered([]), 0.0)
    assert lane.set_aside == 0


def test_an_answer_that_moves_nothing_backs_off() -> None:
    lane = sending(records(1))
    step = lane.handle(results(), 0.0)
    assert isinstance(step.then, Sleep)
    assert lane.consecutive_failures == 1


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


# --- waiting ---


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


def test_a_store_that_fails_is_a_failure_of_this_lane_and_not_the_end_of_it() -> None:
    lane = machine()
    lane.handle(Tick(), 0.0)
    step = lane.handle(OutboxFailed("disk full"), 0.0)
    assert step.failure == Failure(FailureKind.OUTBOX, "disk full")
    assert isinstance(lane.handle(Tick(), 60.0).then, Read)


# --- batches ---


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


def test_a_login_page_that_says_ok_is_seen_through() -> None:
    step = sending(records(1)).handle(Answered(Answer(200, {"content-type": "text/html"}, b"<html>")), 0.0)
    assert step.failure is not None
    assert step.failure.kind is FailureKind.CAPTIVE_PORTAL


def test_failure_of_tells_usable_answers_from_the_rest() -> None:
    for status in (200, 204, 304):
        assert failure_of(Answer(status, {}, b"")) is None
    for status in (100, 201, 302, 400, 401, 404, 429, 500):
        failure = failure_of(Answer(status, {"retry-after": "5", "location": "http://x/"}, b""))
        assert failure is not None
        assert failure.retry_after_s == 5.0
    page = failure_of(Answer(200, {"content-type": "Text/HTML; charset=utf-8"}, b""))
    assert page is not None
    assert page.kind is FailureKind.CAPTIVE_PORTAL
    assert rule_for(999).kind is FailureKind.UNKNOWN_STATUS
