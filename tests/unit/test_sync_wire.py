"""The wire: bounded, strict, one meaning; a record without a valid result of its own stays with the till."""

import contextlib
import gzip
import json
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync import wire
from sync.errors import WireError
from sync.wire import Limits, Problem, Record, RecordResult, ResultStatus

CONFLICT = {"till": "t2", "at": "2026-01-01T00:00:00Z"}


def record(number: int, data: object = None) -> Record:
    event = {"specversion": "1.0", "id": f"r-{number}", "data": data}
    return Record("redemptions", number, f"r-{number}", json.dumps(event, ensure_ascii=False))


def refusal_code(body: bytes, limits: Limits | None = None) -> str:
    with pytest.raises(WireError) as caught:
        wire.decode_batch(body, limits or Limits())
    return caught.value.code


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(json_values, max_size=5))
def test_a_batch_comes_back_as_it_was_sent(data: list[object]) -> None:
    records = [record(number, value) for number, value in enumerate(data)]
    body = wire.encode_batch(records)
    assert wire.decode_batch(body) == [json.loads(r.event) for r in records]
    assert wire.gunzip_bounded(wire.gzip_bytes(body), len(body)) == body


def test_events_travel_byte_for_byte() -> None:
    odd = Record("redemptions", 1, "r-1", '{ "id":"r-1",\n "x" : 1.50 }')
    assert wire.encode_batch([odd, odd]) == b"[" + odd.event.encode() + b"," + odd.event.encode() + b"]"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "not_json"),
        (b"[", "not_json"),
        (b"[] []", "not_json"),
        (b"\xef\xbb\xbf[]", "not_json"),
        (b"{}", "not_a_batch"),
        (b"[1]", "not_a_batch"),
        (b"[{}]", "not_a_batch"),
        (b'[{"id":7}]', "not_a_batch"),
        (b'[{"id":"a b"}]', "not_a_batch"),
        (b'[{"id":"%s"}]' % (b"a" * 65), "not_a_batch"),
        (b'[{"id":"a"},{"id":"a"}]', "duplicate_id"),
        (b'[{"id":"a","id":"b"}]', "duplicate_key"),
        (b'[{"id":"a","data":{"x":1,"y":2,"x":1}}]', "duplicate_key"),
        (b'[{"id":"a","\\u0069d":"a"}]', "duplicate_key"),
        (b'[{"id":"a","x":NaN}]', "bad_number"),
        (b'[{"id":"a","x":-Infinity}]', "bad_number"),
        (b'[{"id":"a","x":1e999}]', "bad_number"),
        (b'[{"id":"a","x":9007199254740992}]', "bad_number"),
        (b'[{"id":"a","x":%s}]' % (b"9" * 5000), "bad_number"),
        (b'[{"id":"\xff"}]', "not_utf8"),
        (b'[{"id":"a","x":"\\ud800"}]', "not_utf8"),
        (b'[{"id":"a","\\udc00":1}]', "not_utf8"),
        (b"[" * 17 + b"]" * 17, "too_deep"),
        (b"[" * 100_000 + b"]" * 100_000, "too_deep"),
        (b'{"a":' * 100_000, "too_deep"),
    ],
)
def test_a_bad_batch_is_refused_with_its_own_code(body: bytes, code: str) -> None:
    assert refusal_code(body) == code


def test_pairs_of_surrogates_are_whole_characters() -> None:
    assert wire.decode_batch(b'[{"id":"a","x":"\\ud83d\\ude00"}]') == [{"id": "a", "x": "\U0001f600"}]


def test_every_limit_of_a_batch_holds_at_its_edge() -> None:
    body = wire.encode_batch([record(1), record(2)])
    assert len(wire.decode_batch(body, Limits(batch_records=2, batch_bytes=len(body), json_depth=2))) == 2
    assert refusal_code(body, Limits(batch_records=1)) == "too_many"
    assert refusal_code(body, Limits(batch_bytes=len(body) - 1)) == "too_large"
    assert refusal_code(body, Limits(json_depth=1)) == "too_deep"


@given(st.binary(max_size=200))
def test_any_bytes_are_a_batch_or_a_wire_error(body: bytes) -> None:
    with contextlib.suppress(WireError):
        assert isinstance(wire.decode_batch(body), list)


def test_the_key_follows_the_content() -> None:
    one, two = wire.encode_batch([record(1)]), wire.encode_batch([record(1), record(2)])
    assert wire.idempotency_key(one) == wire.idempotency_key(bytes(one))
    assert wire.idempotency_key(one) != wire.idempotency_key(two)
    assert len(wire.idempotency_key(one)) == 32


# --- results ---

RESULTS = [
    RecordResult("a", ResultStatus.STORED),
    RecordResult("b", ResultStatus.DUPLICATE),
    RecordResult("c", ResultStatus.CONFLICT, conflict=CONFLICT),
    RecordResult("d", ResultStatus.REFUSED, "bad_hash", "哈希不对", True),
    RecordResult("e", ResultStatus.REFUSED, "busy", "later", False),
]


def test_results_come_back_as_they_were_given() -> None:
    assert wire.decode_results(wire.encode_results(RESULTS), ["a", "b", "c", "d", "e"]) == (RESULTS, [])
    assert [result.acknowledged for result in RESULTS] == [True, True, True, False, False]


@pytest.mark.parametrize(
    "entry",
    [
        {"id": "b", "status": "eaten"},
        {"id": "b", "status": ["stored"]},
        {"id": "b", "status": None},
        {"id": "b"},
        {"status": "stored"},
        {"id": "b", "status": "conflict"},
        {"id": "b", "status": "conflict", "conflict": "t2"},
        {"id": "b", "status": "refused", "code": "x", "sentence": "y"},
        {"id": "b", "status": "refused", "code": "x", "sentence": "y", "permanent": "yes"},
        {"id": "b", "status": "refused", "code": "x", "sentence": "y", "permanent": 1},
        {"id": "b", "status": "refused", "code": "No Code", "sentence": "y", "permanent": True},
        {"id": "b", "status": "refused", "sentence": "y", "permanent": True},
        "stored",
        None,
    ],
)
def test_an_entry_not_understood_settles_nothing_and_spoils_no_other(entry: object) -> None:
    body = json.dumps({"results": [{"id": "a", "status": "stored"}, entry]}).encode()
    results, faults = wire.decode_results(body, ["a", "b"])
    assert results == [RESULTS[0]]
    assert faults


def test_silence_strangers_and_double_answers_settle_nothing() -> None:
    stored = {"id": "a", "status": "stored"}
    answers = [
        [],
        [stored, stored],
        [stored, {"id": "a", "status": "duplicate"}],
        [{"id": "z", "status": "stored"}],
    ]
    for answer in answers:
        results, faults = wire.decode_results(json.dumps({"results": answer}).encode(), ["a"])
        assert results == []
        assert faults


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"results":{}}', b'{"results":[],"results":[]}', b"<html>"]
)
def test_an_unreadable_answer_settles_nothing(body: bytes) -> None:
    results, faults = wire.decode_results(body, ["a"])
    assert (results, len(faults)) == ([], 1)


def test_a_newer_cloud_may_say_more() -> None:
    body = b'{"results":[{"id":"a","status":"stored","shard":3}],"served_by":"x"}'
    assert wire.decode_results(body, ["a"]) == ([RESULTS[0]], [])


def test_foreign_sentences_are_one_bounded_line() -> None:
    entry = {
        "id": "a",
        "status": "refused",
        "code": "x",
        "sentence": "a\n\x1b[2Jb" + "c" * 999,
        "permanent": True,
    }
    results, _ = wire.decode_results(json.dumps({"results": [entry]}).encode(), ["a"])
    assert results[0].sentence.isprintable()
    assert len(results[0].sentence) == Limits().sentence_chars


# --- problems ---


def test_a_problem_is_believed_only_in_the_clouds_own_words() -> None:
    problem = Problem(422, "bad_event", "no such lane", True)
    body = wire.encode_problem(problem)
    headers = {"content-type": wire.PROBLEM_TYPE + "; charset=utf-8"}
    assert wire.decode_problem(422, headers, body) == problem
    assert wire.decode_problem(400, headers, body) is None
    assert wire.decode_problem(422, {"content-type": "text/html"}, body) is None
    assert wire.decode_problem(422, {}, body) is None
    assert wire.decode_problem(422, headers, b"{}") is None
    assert wire.decode_problem(422, headers, b"[") is None
    assert wire.decode_problem(422, headers, b'{"status":422,"detail":"no code"}') is None


def test_permanent_must_be_said() -> None:
    body = b'{"status":400,"code":"x","detail":"y","permanent":"true"}'
    problem = wire.decode_problem(400, {"content-type": wire.PROBLEM_TYPE}, body)
    assert problem is not None
    assert not problem.permanent


# --- compression and paths ---


def test_a_bomb_is_stopped_at_its_bound() -> None:
    bomb = gzip.compress(bytes(10_000_000))
    with pytest.raises(WireError, match="too_large"):
        wire.gunzip_bounded(bomb, 9_999_999)
    assert len(wire.gunzip_bounded(bomb, 10_000_000)) == 10_000_000


@pytest.mark.parametrize("cut", range(0, 40, 3))
def test_a_cut_or_continued_member_is_refused(cut: int) -> None:
    whole = wire.gzip_bytes(b"some text that is long enough to be cut")
    for body in (whole[:cut], whole + whole, whole + b"x", zlib.compress(b"x"), b"\0" + whole):
        with pytest.raises(WireError, match="bad_gzip"):
            wire.gunzip_bounded(body, 1000)


def test_equal_bodies_compress_to_equal_bytes() -> None:
    assert wire.gzip_bytes(b"abc" * 99) == wire.gzip_bytes(b"abc" * 99)
    assert gzip.decompress(wire.gzip_bytes(b"abc" * 99)) == b"abc" * 99


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a?b", "a%2fb", "é", "a" * 65, "a b", "a\n"])
def test_a_name_that_could_leave_its_place_makes_no_path(name: str) -> None:
    with pytest.raises(WireError):
        wire.batch_path(name, "redemptions")
    with pytest.raises(WireError):
        wire.batch_path("till-1", name)
    with pytest.raises(WireError):
        wire.part_path(name)


def test_paths() -> None:
    assert wire.batch_path("till-1", "redemptions") == "/v1/tills/till-1/batches/redemptions"
    assert wire.bundle_path("till-1") == "/v1/tills/till-1/bundle"
    assert wire.part_path("0" * 64) == "/v1/parts/" + "0" * 64
