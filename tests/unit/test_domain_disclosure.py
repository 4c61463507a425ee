"""What a record says of people: hidden by a salted digest, disclosed beside it, and nothing else is taken for it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.domain import record
from agent.domain.cose import Algorithm
from agent.domain.disclosure import (
    DISCLOSED_MAX,
    disclosure,
    is_pseudonym,
    pair_text,
    read_disclosed,
    with_disclosed,
)
from agent.domain.keys import load_public_key, signature_ok
from agent.domain.record import RecordFault
from agent.records import Veil

PSEUDONYM = bytes.fromhex("5f1d0c3a9b7e2468")
SALT = bytes(range(16))
ONE = disclosure(SALT, PSEUDONYM)
TEXT = json.dumps({"data": {"referrer": ONE.digest}})


def read(stated: Any, text: str = TEXT) -> tuple[Any, ...]:
    return read_disclosed({"disclosed": stated}, text)


@given(st.lists(st.binary(min_size=8, max_size=16), max_size=DISCLOSED_MAX))
def test_what_was_hidden_is_read_again(pseudonyms: list[bytes]) -> None:
    veil = Veil()
    digests = [veil.hide(pseudonym) for pseudonym in pseudonyms]
    assert len(set(digests)) == len(set(pseudonyms)), "one digest for each within a record"
    event = json.dumps({"data": digests}, separators=(",", ":"))
    sent = with_disclosed(event, pair_text(veil.disclosed))
    found = read_disclosed(json.loads(sent), event)
    assert {one.digest: bytes.fromhex(one.pseudonym) for one in found} == dict(
        zip(digests, pseudonyms, strict=True)
    )
    assert not any(pseudonym.hex() in event for pseudonym in pseudonyms), "the signed text holds none"


def test_two_records_hide_one_person_differently() -> None:
    assert Veil().hide(PSEUDONYM) != Veil().hide(PSEUDONYM)


def test_an_event_without_it_discloses_nothing() -> None:
    assert read_disclosed({}, TEXT) == ()
    assert with_disclosed(TEXT, None) == with_disclosed(TEXT, "") == TEXT


@pytest.mark.parametrize(
    "stated",
    [
        None,
        "",
        7,
        [pair_text([ONE])],
        pair_text([ONE]).upper(),
        pair_text([ONE]) + " ",
        pair_text([ONE]) + "\n",
        pair_text([ONE, ONE]),
        pair_text([ONE]) + ".00",
        pair_text([disclosure(SALT, bytes(8))]),
        pair_text([ONE, disclosure(SALT, bytes(8))]),
        f"{SALT.hex()}.{'00' * 7}",
        f"{SALT.hex()}.{'00' * 17}",
        " ".join([pair_text([ONE])] * (DISCLOSED_MAX + 1)),
    ],
)
def test_what_is_no_disclosure_of_the_event_is_refused(stated: Any) -> None:
    with pytest.raises(RecordFault) as caught:
        read(stated)
    assert caught.value.code == "malformed"


@pytest.mark.parametrize(
    ("text", "good"),
    [("00" * 8, True), ("ab" * 16, True), ("00" * 7, False), ("AB" * 8, False), ("0" * 17, False)],
)
def test_the_form_of_a_pseudonym(text: str, good: bool) -> None:
    assert is_pseudonym(text) is good


def test_the_published_record_verifies_with_and_without_what_it_discloses() -> None:
    vectors = json.loads((Path(__file__).parents[1] / "vectors" / "records.json").read_text("utf-8"))
    public = load_public_key(Algorithm.ED25519, bytes.fromhex(vectors["key"]["public_key"]))
    event, text = (vectors["events"][3][name] for name in ("event", "canonical"))
    (found,) = read_disclosed(event, text)
    assert found.digest == event["data"]["coupon"]["referrer"]
    assert found.pseudonym not in text
    erased = {name: value for name, value in event.items() if name != "disclosed"}
    for each in (event, erased):
        head = record.check(
            each, vectors["till"], lambda signature, data: signature_ok(public, signature, data)
        )
        assert head.hash == event["hash"]
