"""One lane's machine: every status keeps what it must keep, and no record stands in another's way."""

import pytest

from sync import wire
from sync.ports import SENTENCES, Answer, Failure, FailureKind
from sync.protocol import (
    _TRANSITIONS,
    FIRST_BATCH_RECORDS,
    Answered,
    Event,
    Failed,
    Offered,
    OutboxFailed,
    Read,
    RetryNow,
    Sleep,
    State,
    Step,
    Tick,
    Woken,
)
from sync.status import failure_of, rule_for
from sync.wire import Limits, RecordResult, ResultStatus
from tests.unit.sync_kit import bare, machine, records, refused, results, sending, sent_ids, stored

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
