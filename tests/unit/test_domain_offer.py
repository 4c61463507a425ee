"""Offers: every field checked on the way in, one form on the way out, words for both languages."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.domain import benefit_wire, cbor, offer
from agent.domain.benefit import (
    AmountOff,
    AmountStep,
    Attribution,
    Benefit,
    Change,
    Gift,
    Item,
    Items,
    PercentOff,
    PercentStep,
    Pickup,
    PointsMultiplier,
    PointsSpend,
    SetOff,
    SetPrice,
    StoredValue,
    Which,
    exposure_minor,
)
from agent.domain.candidate import Hint
from agent.domain.fields import FieldError
from agent.domain.objection import Objection, Reason, sentences
from agent.domain.offer import Base, Conditions, Funding, Hours, Limits, Mode, Offer, Stacking
from agent.domain.offer_words import benefit_words, hint_words
from tests.unit.pricing_cases import random_coupon

HALF = Change(percent=50)
TEA = Items(skus=frozenset({"TEA"}))
FULL = Offer(
    Item(Change(price_minor=990), 5_000, 2, Which.CHEAPEST, TEA, every_pieces=2, times=3),
    Items(categories=frozenset({"food"}), not_brands=frozenset({"own"})),
    Conditions(
        1_000,
        2,
        frozenset({"cash", "card"}),
        frozenset({"counter"}),
        frozenset({20_000, 20_001}),
        frozenset({20_010}),
        frozenset({1, 7}),
        (Hours(0, 360), Hours(1320, 1440)),
        frozenset({12}),
        frozenset({1, 2}),
        frozenset({"M-1"}),
        3,
        absent_days=60,
        limits=Limits(1, 2, 3, 4, 5),
    ),
    Stacking(Mode.GROUPS, "a", frozenset({"b"}), 10, 1, 3, Base.ORIGINAL),
    Funding(500, 300, 200),
)


def wire(**changes: Any) -> dict[str, Any]:
    return {"benefit": {"kind": "attribution"}} | changes


def test_an_offer_with_every_field_comes_back_from_cbor() -> None:
    assert offer.from_wire(cbor.decode(cbor.encode(offer.to_wire(FULL)))) == FULL


@given(st.integers(0, 10_000))
def test_every_offer_comes_back_from_cbor(seed: int) -> None:
    made = random_coupon(Random(seed), 0).offer
    stacking = made.stacking
    if stacking.per_sale > 1 and not stacking.goes_with(
        stacking
    ):  # the one thing that the cases allow themselves
        made = replace(made, stacking=replace(stacking, per_sale=1))
    assert offer.from_wire(cbor.decode(cbor.encode(offer.to_wire(made)))) == made


ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 2**64),
    st.text(max_size=3),
    st.binary(max_size=3),
    st.lists(st.one_of(st.integers(-1, 9), st.text(max_size=2)), max_size=3),
    st.dictionaries(st.text(max_size=9), st.integers(0, 9), max_size=2),
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a wire form, from the whole to each leaf."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, item in inner for place in places(item, (*path, key)))]


def changed(value: Any, path: tuple[Any, ...], odd: Any) -> Any:
    if not path:
        return odd
    items = dict(value) if isinstance(value, dict) else list(value)
    items[path[0]] = changed(items[path[0]], path[1:], odd)
    return items


@settings(max_examples=400)
@given(st.data(), ODD, st.integers(0, 200))
def test_whatever_is_written_is_an_offer_or_a_field_error(data: st.DataObject, odd: Any, seed: int) -> None:
    wire = offer.to_wire(FULL if seed < 20 else random_coupon(Random(seed), 0).offer)
    place = data.draw(st.sampled_from(places(wire)))
    try:
        read = offer.from_wire(changed(wire, place, odd))
    except FieldError:
        return
    assert offer.from_wire(offer.to_wire(read)) == read


def test_what_is_as_usual_is_not_written() -> None:
    assert offer.to_wire(Offer(Attribution())) == {"benefit": {"kind": "attribution"}}


@pytest.mark.parametrize(
    ("value", "named"),
    [
        ({"kind": "lottery"}, "benefit.kind"),
        ({"kind": "attribution", "off_minor": 1}, "benefit.off_minor"),
        ({"kind": "amount_off", "steps": []}, "benefit.steps"),
        ({"kind": "amount_off", "steps": [{"from_minor": 100}]}, "steps[0].off_minor"),
        ({"kind": "amount_off", "steps": [{"off_minor": 1, "x": 1}]}, "steps[0].x"),
        (
            {"kind": "amount_off", "steps": [{"off_minor": 5}, {"from_minor": 9, "off_minor": 5}]},
            "do not rise",
        ),
        ({"kind": "amount_off", "steps": [{"off_minor": 5}], "repeating": True}, "benefit.repeating"),
        (
            {"kind": "amount_off", "steps": [{"from_minor": 9, "off_minor": 5}], "repeating": True},
            "cap_minor",
        ),
        ({"kind": "percent_off", "steps": [{"percent": 101}], "cap_minor": 1}, "steps[0].percent"),
        ({"kind": "percent_off", "steps": [{"percent": 10}]}, "benefit.cap_minor"),
        ({"kind": "set_off", "pieces": 2, "off_pieces": 3, "change": {}, "cap_minor": 9}, "off_pieces"),
        ({"kind": "set_off", "pieces": 2, "change": {}, "cap_minor": 9}, "exactly one"),
        (
            {"kind": "set_off", "pieces": 2, "change": {"percent": 5, "off_minor": 1}, "cap_minor": 9},
            "exactly one",
        ),
        ({"kind": "set_price", "pieces": 1, "price_minor": 5, "cap_minor": 9}, "benefit.pieces"),
        ({"kind": "item", "change": {"percent": 5}, "cap_minor": 9, "which": "first"}, "benefit.which"),
        ({"kind": "item", "change": {"percent": 5}, "cap_minor": 9, "target": {}}, "benefit.target"),
        ({"kind": "item", "change": {"percent": 5}, "cap_minor": 9, "every_pieces": 2}, "benefit.target"),
        ({"kind": "item", "change": {"percent": 5}, "cap_minor": 9, "times": 2}, "benefit.times"),
        (
            {
                "kind": "item",
                "change": {"percent": 5},
                "cap_minor": 9,
                "target": {"skus": ["TEA"]},
                "every_pieces": 2,
                "every_minor": 2,
            },
            "every_minor",
        ),
        ({"kind": "gift", "skus": [], "value_minor": 5}, "benefit.skus"),
        ({"kind": "gift", "skus": ["A"]}, "benefit.value_minor"),
        ({"kind": "pickup", "gift": {"skus": ["A"]}}, "gift.value_minor"),
        ({"kind": "stored_value"}, "benefit.cap_minor"),
        ({"kind": "points_spend", "points": 0, "worth_minor": 1, "cap_minor": 1}, "benefit.points"),
        ({"kind": "points_spend", "points": 1, "worth_minor": 2, "cap_minor": 1}, "benefit.cap_minor"),
        ({"kind": "points_multiplier", "percent": 100}, "benefit.percent"),
    ],
)
def test_a_wrong_benefit_is_named(value: dict[str, Any], named: str) -> None:
    with pytest.raises(FieldError) as caught:
        benefit_wire.from_wire(value)
    assert named in str(caught.value)


@pytest.mark.parametrize(
    ("value", "named"),
    [
        (wire(discount=1), "offer.discount"),
        (wire(items={"colours": ["red"]}), "items.colours"),
        (wire(items={"skus": [""]}), "items.skus"),
        (wire(conditions={"weekdays": [0]}), "conditions.weekdays"),
        (wire(conditions={"weekdays": [8]}), "conditions.weekdays"),
        (wire(conditions={"hours": [{"from_minute": 600, "to_minute": 600}]}), "hours[0].to_minute"),
        (wire(conditions={"first_visit": True, "absent_days": 5}), "conditions.first_visit"),
        (wire(conditions={"limits": {"coupon": -1}}), "limits.coupon"),
        (wire(conditions={"limits": {"galaxy": 1}}), "limits.galaxy"),
        (wire(stacking={"mode": "sometimes"}), "stacking.mode"),
        (wire(stacking={"mode": "groups"}), "stacking.beside"),
        (wire(stacking={"mode": "joint", "beside": ["a"]}), "stacking.beside"),
        (wire(stacking={"mode": "exclusive", "per_sale": 2}), "stacking.per_sale"),
        (
            wire(stacking={"mode": "groups", "group": "a", "beside": ["b"], "per_sale": 2}),
            "stacking.per_sale",
        ),
        (wire(funding={"issuer": 999}), "do not sum"),
        (wire(funding={"bank": 1000}), "funding.bank"),
    ],
)
def test_a_wrong_offer_is_named(value: dict[str, Any], named: str) -> None:
    with pytest.raises(FieldError) as caught:
        offer.from_wire(value)
    assert named in str(caught.value)


@pytest.mark.parametrize(
    ("benefit", "zh", "en", "exposure"),
    [
        (
            AmountOff((AmountStep(10_000, 2_000), AmountStep(20_000, 5_000))),
            "满 100 减 20，满 200 减 50",
            "20 off from 100, 50 off from 200",
            5_000,
        ),
        (
            AmountOff((AmountStep(10_000, 3_000),), True, 9_000),
            "每满 100 减 30，最高减 90",
            "30 off every 100, at most 90",
            9_000,
        ),
        (AmountOff((AmountStep(0, 550),)), "立减 5.50", "5.50 off", 550),
        (PercentOff((PercentStep(1, 12),), 5_000), "8.8 折，最高减 50", "12% off, at most 50", 5_000),
        (
            PercentOff((PercentStep(2, 10), PercentStep(3, 20)), 5_000),
            "满 2 件 9 折，满 3 件 8 折，最高减 50",
            "10% off from 2 pieces, 20% off from 3 pieces, at most 50",
            5_000,
        ),
        (SetOff(2, 1, HALF, 900), "第二件 5 折", "second piece 50% off", 900),
        (SetOff(3, 1, Change(percent=100), 900), "买 2 送 1", "buy 2, get 1 free", 900),
        (
            SetOff(4, 2, Change(off_minor=100), 900),
            "每 4 件中 2 件 每件减 1",
            "2 of every 4 pieces 1 off each",
            900,
        ),
        (SetPrice(3, 9_900, 5_000), "任选 3 件共 99", "any 3 for 99", 5_000),
        (Item(Change(percent=100), 700), "1 件 免费", "one piece free", 700),
        (
            Item(Change(price_minor=990), 700, 2, Which.CHEAPEST),
            "最便宜的 2 件 每件 9.90",
            "the cheapest 2 pieces at 9.90 each",
            700,
        ),
        (Item(HALF, 700, 0), "5 折", "every piece 50% off", 700),
        (
            Item(Change(price_minor=990), 700, target=TEA, every_minor=10_000),
            "每满 100 换购 1 件 每件 9.90",
            "one piece at 9.90 each for every 100",
            700,
        ),
        (
            Item(HALF, 700, target=TEA, every_pieces=2),
            "每买 2 件换购 1 件 5 折",
            "one piece 50% off for every 2 bought",
            700,
        ),
        (Gift(frozenset({"MUG"}), 1_500, 2), "赠 2 件", "2 pieces free", 3_000),
        (StoredValue(20_000), "余额支付", "pays from its balance", 20_000),
        (PointsSpend(100, 100, 5_000), "每 100 积分抵 1", "every 100 points pay 1", 5_000),
        (PointsMultiplier(250), "2.5 倍积分", "2.5 times the points", 0),
        (Pickup(), "取货", "pickup", 0),
        (Pickup(Gift(frozenset({"MUG"}), 1_500)), "取货，另赠 1 件", "pickup, with a gift", 1_500),
        (Attribution(), "到店登记", "visit counted, no discount", 0),
    ],
)
def test_an_offer_has_words_and_a_most_that_it_costs(
    benefit: Benefit, zh: str, en: str, exposure: int
) -> None:
    words = benefit_words(benefit, "CNY")
    assert (words.zh, words.en, exposure_minor(benefit)) == (zh, en, exposure)
    assert benefit_wire.from_wire(benefit_wire.to_wire(benefit)) == benefit


def test_hints_say_what_more_gives() -> None:
    assert hint_words(Hint(1_250, then_minor=5_000), "CNY").en == "12.50 more and it is 50 off"
    assert hint_words(Hint(missing_pieces=1, then_percent=20), "CNY").zh == "再买 1 件可享 8 折"


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_speaks_both_languages_and_says_what_to_do(reason: Reason) -> None:
    what, todo = sentences(Objection(reason, 1_250, 2, 30, detail="cash"), "CNY")
    assert all((what.zh, what.en, todo.zh, todo.en))
    assert "{" not in what.zh + what.en + todo.zh + todo.en
    assert what.en.isascii() != what.zh.isascii()


def test_what_is_missing_is_said() -> None:
    _, todo = sentences(Objection(Reason.SPEND_MISSING, missing_minor=1_250), "CNY")
    assert (todo.zh, todo.en) == ("再买 12.50 就能用", "12.50 more and it applies")
