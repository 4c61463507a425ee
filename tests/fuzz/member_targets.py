"""Readers of member cards, lists of members and points that tills report; put among those in `tests.fuzz.targets`."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

from agent.domain import cbor, member_card, member_list
from agent.domain.cose import Algorithm
from agent.domain.fields import FieldError
from agent.domain.keys import IssuerKey
from agent.domain.member_card import CardRefused
from agent.domain.member_list import MemberList, Program
from agent.domain.points import adds_up, rate_of
from agent.domain.time import from_timestamp
from cloud.facts import REDEMPTION, REVERSAL, Stored, read_data
from cloud.members import RECORD_POINTS_MAX, change_of
from tests.vectors.tokens import KEY

VECTORS = Path(__file__).parents[1] / "vectors" / "members.json"
DAY = 20_785
KEYS = {KEY.kid: IssuerKey(KEY.kid, "acme", Algorithm.ED25519, KEY.public_key, None, 0, 60_000, 0)}


def card(data: bytes) -> None:
    """What counts is what its issuer would write."""
    text = data.decode("latin-1")
    with suppress(CardRefused):
        assert member_card.sign(member_card.read(text, KEYS, DAY), KEY) == text


def card_seeds() -> list[bytes]:
    said = json.loads(VECTORS.read_text("utf-8"))["cards"]
    return [one["text"].encode() for one in [*said["valid"], *said["refused"]]]


def listed(data: bytes) -> None:
    """A list that is read can be written again, and is then the same bytes."""
    with suppress(FieldError, cbor.CborError):
        found = member_list.read_part({"members": data})
        assert cbor.encode(member_list.to_wire(found)) == data or b"program" in data
        found.find(bytes(8))


def list_seeds() -> list[bytes]:
    rows = bytes.fromhex(json.loads(VECTORS.read_text("utf-8"))["rows"])
    as_of = from_timestamp("2026-03-01T08:00:00.000Z")
    made = [MemberList(as_of, {"T-1": 7}, Program(1, 2, 3, 4, 5), rows), MemberList(as_of)]
    return [cbor.encode(member_list.to_wire(one)) for one in made]


def points(data: bytes) -> None:
    """Whatever a till writes: its points are within bounds, and a return's the other way round."""
    with suppress(UnicodeDecodeError, ValueError, RecursionError):
        if not isinstance(json.loads(data), dict):
            return  # what is stored is an object
        said = read_data(data.decode())
        if adds_up(said) and said.get("points_earned"):
            assert rate_of(said) > 0
        for kind, sign in ((REDEMPTION, 1), (REVERSAL, -1)):
            stored = Stored(3, kind, "2026-03-01T04:00:00.000Z", "acme", 7, 5, 0, "")
            change = change_of(stored, said, "T-1", said)
            if change is not None:
                assert 0 <= sign * change.earned <= RECORD_POINTS_MAX
                assert 0 <= sign * change.spent <= RECORD_POINTS_MAX


def point_seeds() -> list[bytes]:
    member = {"pseudonym": "ab" * 32, "level": 2, "consent": True}
    said = {
        "member": member,
        "sale": {"sale_id": "S"},
        "business_date": "2026-03-01",
        "redemption_id": "T-1-2",
    }
    return [
        json.dumps({"data": said | {"points_earned": earned, "points_spent": spent}}).encode()
        for earned, spent in ((5, 700), (-5, -700))
    ]
