"""Member cards and the bundle's list of members, by the published vectors and by what must hold of any."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.domain import cbor, member_card, member_list
from agent.domain.cose import Algorithm
from agent.domain.fields import FieldError
from agent.domain.keys import Delegation, IssuerKey
from agent.domain.member_card import Card, CardRefused
from agent.domain.member_list import ROW_BYTES, Known, MemberList, Program, name_of, pack
from agent.domain.scan import Kind, route
from tests.vectors.tokens import KEY

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "members.json").read_text("utf-8"))
CARDS = VECTORS["cards"]
DAY = CARDS["day"]
AS_OF = datetime(2026, 11, 28, 12, tzinfo=UTC)
ROWS = bytes.fromhex(VECTORS["rows"])


def key(**changes: Any) -> dict[bytes, IssuerKey]:
    usual = IssuerKey(KEY.kid, "acme", Algorithm.ED25519, KEY.public_key, None, 0, 60_000, 0)
    return {KEY.kid: replace(usual, **changes)}


@pytest.mark.parametrize("vector", CARDS["valid"], ids=lambda one: one["pseudonym"])
def test_a_card_says_who_it_is(vector):
    card = member_card.read(vector["text"], key(), DAY)
    assert card == Card(
        bytes.fromhex(vector["pseudonym"]), vector["not_before"], vector["expires"], vector["level"]
    )
    assert member_card.sign(card, KEY) == vector["text"]
    assert route(f"]Q1{vector['text']}\r\n").kind is Kind.MEMBER_CARD


@pytest.mark.parametrize("vector", CARDS["refused"], ids=lambda one: one["name"])
def test_what_is_no_card_that_counts_says_why(vector):
    with pytest.raises(CardRefused) as caught:
        member_card.read(vector["text"], key(), DAY)
    assert caught.value.code == vector["code"]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"campaigns": frozenset({1})}, "beyond_key_limit"),
        ({"delegation": Delegation("T", {1: (1,)}, {1: 1})}, "beyond_key_limit"),
        ({"not_before": DAY + 1}, "key_not_valid"),
        ({"expires": DAY - 1}, "key_not_valid"),
    ],
)
def test_not_every_key_signs_cards(changes, code):
    with pytest.raises(CardRefused) as caught:
        member_card.read(CARDS["valid"][0]["text"], key(**changes), DAY)
    assert caught.value.code == code


@given(st.data())
def test_no_other_text_is_the_same_card(data):
    text = CARDS["valid"][0]["text"]
    at = data.draw(st.integers(4, len(text) - 1))
    other = data.draw(
        st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567=a 01").filter(lambda c: c != text[at])
    )
    with pytest.raises(CardRefused):
        member_card.read(text[:at] + other + text[at + 1 :], key(), DAY)


@pytest.mark.parametrize("vector", VECTORS["listed"], ids=lambda one: one["pseudonym"])
def test_the_list_finds_a_member_by_the_name_of_the_format(vector):
    who = bytes.fromhex(vector["pseudonym"])
    assert hashlib.sha256(b"redeemd/erased/1\0" + who).digest()[:16].hex() == vector["name"]
    known = MemberList(AS_OF, rows=ROWS).find(who)
    assert known is not None
    fields = ("level", "points", "visits", "last_day", "consent")
    assert known._asdict() == {name: vector[name] for name in fields}


def test_the_list_finds_nobody_else():
    listed = MemberList(AS_OF, rows=ROWS)
    assert len(listed) == len(VECTORS["listed"])
    assert [listed.find(bytes.fromhex(who)) for who in VECTORS["unknown"]] == [None, None]
    assert MemberList().find(bytes(8)) is None


KNOWN = st.builds(
    Known, st.integers(0, 100), st.integers(0, 2**48 - 1), st.integers(0, 10**9),
    st.none() | st.integers(0, 2**16 - 1), st.booleans(),
)  # fmt: skip
PROGRAM = st.builds(Program, *[st.integers(0, 10_000)] * 5)


@given(st.dictionaries(st.binary(min_size=8, max_size=16), KNOWN, max_size=20), st.none() | PROGRAM)
def test_a_list_survives_its_part(members, program):
    made = MemberList(
        AS_OF, {"T-1": 7}, program, pack((name_of(who), known) for who, known in members.items())
    )
    read = member_list.read_part({"members": cbor.encode(member_list.to_wire(made))})
    assert read == made
    assert {who: read.find(who) for who in members} == members


GOOD = pack(
    [(name_of(b"12345678"), Known(1, 2, 3, 4, True)), (name_of(b"abcdefgh"), Known(1, 2, 3, 4, True))]
)


def row(at: int, value: int) -> bytes:
    return GOOD[:at] + bytes([value]) + GOOD[at + 1 :]


@pytest.mark.parametrize(
    "rows",
    [
        GOOD[:-1],
        GOOD[ROW_BYTES:] + GOOD[:ROW_BYTES],
        GOOD[:ROW_BYTES] * 2,
        row(16, 101),
        row(17, 2),
        row(24, 255),
        row(28, 1),
    ],
    ids=["cut", "falling", "twice", "level", "flags", "visits", "day"],
)
def test_rows_are_read_strictly(rows):
    with pytest.raises(FieldError):
        member_list.read_part(
            {"members": cbor.encode(member_list.to_wire(MemberList(AS_OF, {}, None, rows)))}
        )


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"as_of": "now"}, "as_of"),
        ({"through": {"T-1": -1}}, "T-1"),
        ({"through": {1: 1}}, "through"),
        ({"program": {"earn_minor": -1}}, "earn_minor"),
        ({"program": {"gift": 1}}, "gift"),
        ({"more": 1}, "more"),
        ({"rows": ""}, "rows"),
    ],
)
def test_the_part_is_read_strictly(changes, named):
    wire = member_list.to_wire(MemberList(AS_OF)) | changes
    with pytest.raises(FieldError, match=named):
        member_list.read_part({"members": cbor.encode(wire)})
