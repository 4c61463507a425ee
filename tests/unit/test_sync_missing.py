"""What a restored cloud asks for again, and how a lane keeps from sending it for ever."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync import wire
from sync.missing import RESEND_S, SPANS_MAX, Resending, decode_missing, read_header, to_header
from sync.ports import Answer
from sync.protocol import Answered, Offered, OutboxFailed, Read, Send
from sync.wire import Limits
from tests.unit.sync_kit import RESULTS, records, sending, stored

SPANS = st.tuples(st.integers(1, 2**53 - 1), st.integers(0, 1000)).map(
    lambda pair: (pair[0], min(pair[0] + pair[1], 2**53 - 1))
)


def answer(number: int, *missing: tuple[int, int]) -> Answered:
    return Answered(Answer(200, RESULTS, wire.encode_results(stored(number), missing)))


@given(st.lists(SPANS, max_size=SPANS_MAX))
def test_what_is_encoded_is_decoded(spans: list[tuple[int, int]]) -> None:
    body = wire.encode_results(stored(1), spans)
    assert decode_missing(body) == tuple(spans)
    assert wire.decode_results(body, ["r-1"]) == (stored(1), []), "and says nothing of the results"
    assert (b"missing" in body) is bool(spans)


@pytest.mark.parametrize(
    "named",
    [
        {"first": 1, "last": 2},
        [7],
        [{"first": 1}],
        [{"first": 0, "last": 2}],
        [{"first": 3, "last": 2}],
        [{"first": True, "last": 2}],
        [{"first": 1.5, "last": 2}],
        [{"first": "1", "last": 2}],
        [{"first": 1, "last": 2}, None],
    ],
)
def test_what_is_no_span_is_nothing(named: object) -> None:
    assert decode_missing(json.dumps({"results": [], "missing": named}).encode()) == ()


@given(st.binary())
def test_no_answer_is_too_odd(data: bytes) -> None:
    assert decode_missing(data + b'"missing"') == ()


def test_an_answer_is_bounded() -> None:
    body = wire.encode_results([], [(n, n) for n in range(1, 100)])
    assert len(decode_missing(body)) == SPANS_MAX
    assert decode_missing(body, Limits(answer_bytes=len(body) - 1)) == ()
    assert decode_missing(b'["missing"]') == ()


def test_what_grows_less_is_sent_at_once_and_what_stays_is_left_alone() -> None:
    resending = Resending()
    assert resending.wanted((), 0.0) == ()
    assert resending.wanted(((4, 6),), 0.0) == ((4, 6),)
    assert resending.wanted(((4, 6),), 1.0) == ()
    assert resending.wanted(((7, 9),), 1.0) == (), (
        "another span that is as long: it may go on like this for ever"
    )
    assert resending.wanted(((4, 5),), 2.0) == ((4, 5),)
    assert resending.wanted((), 3.0) == ()
    assert resending.wanted(((4, 5),), 4.0) == ()
    assert resending.wanted(((1, 9),), 2.0 + RESEND_S) == ((1, 9),), "later on, whatever it is"


def test_a_lane_sends_again_what_the_cloud_misses() -> None:
    lane = sending(records(7))
    step = lane.handle(answer(7, (4, 6)), 1.0)
    assert ([result.record_id for result in step.settle], step.again) == (["r-7"], ((4, 6),))
    assert isinstance(step.then, Read), "what was put back is read at once"
    step = lane.handle(Offered(records(4)), 1.0)
    assert isinstance(step.then, Send)
    assert lane.handle(answer(4, (5, 6)), 1.0).again == ((5, 6),)
    lane.handle(Offered(records(5)), 1.0)
    assert lane.handle(answer(5), 1.0).again == ()


def test_a_cloud_that_never_has_enough_makes_no_hot_loop() -> None:
    """It says stored, and misses the record all the same."""
    lane, again = sending(records(7)), 0
    for _ in range(20):
        again += bool(lane.handle(answer(7, (7, 7)), 1.0).again)
        lane.handle(Offered(records(7)), 1.0)
    assert again == 1


def test_an_outbox_that_fails_waits() -> None:
    lane = sending(records(7))
    lane.handle(answer(7, (4, 6)), 1.0)
    step = lane.handle(OutboxFailed("disk full"), 1.0)
    assert step.failure is not None
    assert not isinstance(step.then, Read)


@given(
    st.dictionaries(
        st.sampled_from(("redemption", "evidence")), st.tuples(st.integers(1, 99), st.integers(0, 99))
    )
)
def test_what_a_header_says_is_read_again(said: dict[str, tuple[int, int]]) -> None:
    spans = {lane: (first, first + more) for lane, (first, more) in said.items()}
    assert read_header(to_header(spans)) == {lane: (span,) for lane, span in spans.items()}


@given(st.text(max_size=200))
def test_any_other_header_names_nothing(text: str) -> None:
    assert not any(read_header(text).values())


@pytest.mark.parametrize(
    "text",
    [
        '{"redemption":[{"first":0,"last":1}]}',
        '{"redemption":[{"first":2,"last":1}]}',
        '{"redemption":[{"first":1,"last":9007199254740992}]}',
        '{"redemption":{"first":1,"last":1}}',
        '{"redemption":' + "[" * 20,
        "x" * 5000,
    ],
)
def test_a_header_of_the_wrong_form_names_nothing(text: str) -> None:
    assert not any(read_header(text).values())
