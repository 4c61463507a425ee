"""Records: canonical JSON against RFC 8785, the chain, and every way to edit it."""

import base64
import hashlib
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.domain import record
from agent.domain.keys import signature_ok
from agent.domain.record import GENESIS, ChainHead, RecordFault, canonical_json
from tests.unit.domain_kit import examples, key
from tests.vectors.records import resigned

QUICK = msgspec.json.Encoder(order="sorted").encode
"""What the till writes its records with."""

TILL_KEY = key(21)


def verify(signature, data):
    return signature_ok(TILL_KEY.private.public_key(), signature, data)


def sealed(previous=None, **changes):
    usual: dict[str, Any] = {
        "lane": record.REDEMPTION_LANE,
        "previous": previous or ChainHead(),
        "till": "T-1",
        "kind": "redemption",
        "time": "2024-10-04T04:00:00.000Z",
        "subject": "acme/7/5",
        "data": {"amount_minor": 3000, "title": "秋季", "note": None, "ok": True, "lines": [{"sku": "A"}]},
        "sign": TILL_KEY.sign,
    }
    return record.seal(**usual | changes)


def code_of(event, till="T-1"):
    with pytest.raises(RecordFault) as caught:
        record.check(event, till, verify)
    return caught.value.code


# --- canonical JSON ---


def ecmascript_text(text):
    """A JSON text as RFC 8785 section 3.2.2.2 wants it, written out by hand."""
    short = {8: "\\b", 9: "\\t", 10: "\\n", 12: "\\f", 13: "\\r", 34: '\\"', 92: "\\\\"}
    return (
        '"'
        + "".join(
            short.get(ord(sign)) or (f"\\u{ord(sign):04x}" if ord(sign) < 32 else sign) for sign in text
        )
        + '"'
    )


def ecmascript(value):
    """A second writer of RFC 8785: keys sorted by UTF-16 code units, no space."""
    if isinstance(value, str):
        return ecmascript_text(value)
    if isinstance(value, dict):
        ordered = sorted(value, key=lambda name: name.encode("utf-16-be"))
        return "{" + ",".join(f"{ecmascript_text(name)}:{ecmascript(value[name])}" for name in ordered) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(ecmascript, value)) + "]"
    return (
        {True: "true", False: "false", None: "null"}[value]
        if value in (None, True, False) and (not isinstance(value, int) or isinstance(value, bool))
        else str(value)
    )


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
ascii_keys = st.text(st.characters(max_codepoint=127), max_size=6)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ascii_keys, inner, max_size=4),
    max_leaves=10,
)


@examples(150)
@given(json_values)
def test_canonical_json_is_that_of_rfc_8785(value):
    octets = canonical_json(value)
    assert octets == ecmascript(value).encode() == QUICK(value)
    assert json.loads(octets) == value


@pytest.mark.parametrize("write", [canonical_json, QUICK], ids=["canonical_json", "msgspec"])
def test_the_signs_that_writers_differ_in(write):
    text = "\u20ac$\u000f\u000aA'\u0042\u0022\u005c\\\"/\u007f\u2028\U0001f600"
    assert write({"b": text, "a": 0, "B": -1, "": []}).decode() == (
        '{"":[],"B":-1,"a":0,"b":"\u20ac$\\u000f\\nA\'B\\"\\\\\\\\\\"/\u007f\u2028\U0001f600"}'
    )


@pytest.mark.parametrize(
    "value",
    [
        1.0,
        -0.0,
        float("nan"),
        2**53,
        -(2**53),
        {"é": 1},
        {1: 2},
        b"x",
        {1, 2},
        ...,
        "\ud800",
        {"a": ["\udfff"]},
    ],
    ids=repr,
)
def test_what_has_no_exact_form_is_refused(value):
    with pytest.raises(RecordFault) as caught:
        canonical_json(value)
    assert caught.value.code == "malformed"


def test_nesting_is_bounded():
    def nested(levels):
        value: Any = "end"
        for _ in range(levels):
            value = [value]
        return value

    assert canonical_json(nested(16)) == b"[" * 16 + b'"end"' + b"]" * 16
    for levels in (17, 100_000):
        with pytest.raises(RecordFault, match="deeper than 16"):
            canonical_json(nested(levels))


# --- the chain ---


def test_the_first_event_as_the_format_says():
    text, head = sealed()
    event = json.loads(text)
    assert {name: event[name] for name in event if name not in ("data", "hash", "signature")} == {
        "specversion": "1.0",
        "id": "T-1-1",
        "source": "/tills/T-1",
        "type": "redeemd.redemption.v1",
        "time": "2024-10-04T04:00:00.000Z",
        "subject": "acme/7/5",
        "datacontenttype": "application/json",
        "lane": "redemption",
        "sequence": "1",
        "prevhash": GENESIS,
    }
    body = ecmascript({name: event[name] for name in event if name not in ("hash", "signature")})
    digest = hashlib.sha256(body.encode()).digest()
    assert event["hash"] == digest.hex() == head.hash
    signature = base64.urlsafe_b64decode(event["signature"] + "==")
    TILL_KEY.private.public_key().verify(signature, b"redeemd/record/v1\0" + digest)


def test_three_events_make_a_chain():
    head, seen = ChainHead(), []
    for number in (1, 2, 3):
        text, head = sealed(head)
        event = json.loads(text)
        assert record.check(event, "T-1", verify) == head
        assert (event["sequence"], event["id"]) == (str(number), f"T-1-{number}")
        seen.append(event)
    assert [event["prevhash"] for event in seen] == [GENESIS, seen[0]["hash"], seen[1]["hash"]]
    evidence = json.loads(sealed(lane=record.EVIDENCE_LANE, kind="evidence")[0])
    assert (evidence["id"], evidence["type"]) == ("T-1-E1", "redeemd.evidence.v1")


@pytest.mark.parametrize("name", ["id", "type", "time", "subject", "lane", "prevhash", "data", "specversion"])
def test_no_field_can_be_changed_or_left_out(name):
    event = json.loads(sealed()[0])
    assert code_of(event | {name: "changed"}) == "wrong_hash"
    assert code_of({key: value for key, value in event.items() if key != name}) == "wrong_hash"


def test_no_field_can_be_added_and_no_number_moved():
    event = json.loads(sealed()[0])
    assert code_of(event | {"extra": 1}) == "wrong_hash"
    assert code_of(event | {"sequence": "2"}) == "wrong_hash"
    assert code_of(event | {"data": event["data"] | {"amount_minor": 3001}}) == "wrong_hash"


@pytest.mark.parametrize(
    "change",
    [
        {"sequence": 1},
        {"sequence": None},
        {"sequence": ""},
        {"sequence": "0"},
        {"sequence": "01"},
        {"sequence": "+1"},
        {"sequence": "1\n"},
        {"sequence": "١"},
        {"sequence": "1" * 16},
        {"signature": None},
        {"signature": ""},
        {"signature": "A" * 85},
        {"signature": "!" * 86},
        {"signature": "é" * 86},
        {"signature": "A" * 85 + "B"},  # stray bits behind the last byte
        {"data": {"price": 1.5}},
        {"data": {"price": 2**53}},
        {"data": {"name": "\ud800"}},
        {"data": {"é": 1}},
    ],
    ids=lambda change: ascii(change)[:40],
)
def test_a_hostile_event_is_a_record_fault(change):
    assert code_of(json.loads(sealed()[0]) | change) == "malformed"


def test_a_signature_has_one_text():
    event = json.loads(sealed()[0])
    text = event["signature"]
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    again = text[:-1] + alphabet[alphabet.index(text[-1]) + 1]
    assert base64.urlsafe_b64decode(again + "==") == base64.urlsafe_b64decode(text + "==")
    assert code_of(event | {"signature": again}) == "malformed"


def test_another_tills_event():
    event = json.loads(sealed()[0])
    assert code_of(event, till="T-2") == "wrong_till"
    assert code_of(event | {"source": None}) == "wrong_till"


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"id": "T-1-2"}, "id"),
        ({"id": "T-1-E1"}, "id"),
        ({"id": "T-2-1"}, "id"),
        ({"id": None}, "id"),
        ({"lane": "evidence"}, "id"),
        ({"lane": "other"}, "lane"),
        ({"lane": None}, "lane"),
        ({"lane": ["redemption"]}, "lane"),
    ],
    ids=str,
)
def test_an_id_that_names_another_place_is_refused_although_it_is_signed(change, named):
    event = resigned(json.loads(sealed()[0]) | change, TILL_KEY.sign)
    with pytest.raises(RecordFault, match=f"malformed: {named} "):
        record.check(event, "T-1", verify)


def test_another_keys_signature():
    event = json.loads(sealed(sign=key(22).sign)[0])
    assert code_of(event) == "bad_signature"


def test_a_signature_over_the_bare_hash_is_not_enough():
    event = json.loads(sealed(sign=lambda data: TILL_KEY.sign(data.removeprefix(b"redeemd/record/v1\0")))[0])
    assert code_of(event) == "bad_signature"
