"""Badges, messages and templates: typed, bounded, and nobody's name among them."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.domain import cbor, shop
from agent.domain.campaign import Words
from agent.domain.decide import Refusal, verify_scan
from agent.domain.fields import FieldError
from agent.domain.outcome import Outcome
from agent.domain.parts import read_parts
from agent.domain.shop import Badge, Message, Shop, StaffRole, Template, read_shop
from tests.factory import Factory
from tests.unit.domain_kit import examples

KEY = bytes(range(32))
BADGE = Badge(shop.badge_digest(KEY, "EMP-004711"), StaffRole.MANAGER, 100, 200)
MESSAGE = Message(Words("今晚七点闭店", "We close at seven"), 100, 200)
TEMPLATE = Template("receipt", 3, b"\x00\xff")


def parts(**changes: Any) -> dict[str, bytes]:
    made = {
        "badges": shop.badges_to_wire(KEY, [BADGE]),
        "messages": [shop.message_to_wire(MESSAGE)],
        "templates": [shop.template_to_wire(TEMPLATE)],
    }
    return {name: cbor.encode(value) for name, value in (made | changes).items() if value is not None}


def test_the_three_parts_round_trip() -> None:
    read = read_shop(parts())
    assert (read.messages, read.templates) == ((MESSAGE,), (TEMPLATE,))
    assert read.badges.find("EMP-004711") == BADGE
    assert read.badges.find(" EMP-004711\r") == BADGE
    assert read.badges.find("EMP-004712") is None
    assert read.badges.find("") is read.badges.find("E" * 65) is None
    assert read_shop({}) == Shop()


def test_what_a_badge_is_kept_as() -> None:
    """RFC 2104, and nothing of its text."""
    expected = hmac.digest(KEY, b"redeemd/badge/1\0EMP-004711", hashlib.sha256)[:16]
    assert BADGE.digest == expected
    assert b"4711" not in parts()["badges"]


def test_days_are_both_included() -> None:
    assert [BADGE.counts(day) for day in (99, 100, 200, 201)] == [False, True, True, False]
    assert [MESSAGE.in_force(day) for day in (99, 100, 200, 201)] == [False, True, True, False]


@pytest.mark.parametrize(
    "changes",
    [
        {"badges": []},
        {"badges": {"key": KEY[:-1], "badges": []}},
        {"badges": {"key": KEY, "badges": [], "more": 1}},
        {"badges": {"key": KEY, "badges": [[BADGE.digest, "owner", 1, 2]]}},
        {"badges": {"key": KEY, "badges": [[BADGE.digest[1:], "cashier", 1, 2]]}},
        {"badges": {"key": KEY, "badges": [[BADGE.digest, "cashier", 2, 1]]}},
        {"badges": {"key": KEY, "badges": [[BADGE.digest, "cashier", 1, 2]] * 2}},
        {"messages": {}},
        {"messages": [shop.message_to_wire(MESSAGE)] * 21},
        {"messages": [{"words": {"zh": "x" * 201, "en": ""}, "starts": 1, "ends": 2}]},
        {"messages": [{"words": {"zh": "a\nb", "en": ""}, "starts": 1, "ends": 2}]},
        {"templates": [shop.template_to_wire(TEMPLATE)] * 2},
        {"templates": [{"name": "x", "version": 1, "content": bytes(256 * 1024 + 1)}]},
        {"templates": [{"name": "", "version": 1, "content": b""}]},
    ],
)
def test_what_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(FieldError):
        read_shop(parts(**changes))


@examples(200)
@given(value=st.recursive(
    st.none() | st.integers(0, 2**32) | st.binary(max_size=40) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=10,
), name=st.sampled_from(["badges", "messages", "templates"]))  # fmt: skip
def test_any_value_is_read_or_refused(value: Any, name: str) -> None:
    with_it = {name: cbor2.dumps(value, canonical=True)}
    with contextlib.suppress(FieldError, cbor.CborError):
        read_shop(with_it)


def test_a_scanned_badge_is_known_for_what_it_is() -> None:
    """By the list alone, without a rule about its form; a text that nobody listed stays what it was."""
    factory = Factory()
    made = factory.parts()
    contents = read_parts(made | parts())
    assert verify_scan("EMP-004711", contents) == Refusal(Outcome.STAFF_BADGE, "manager")
    other = verify_scan("EMP-004712", contents)
    assert isinstance(other, Refusal)
    assert other.outcome is not Outcome.STAFF_BADGE
