"""The redemption receipt: the facts stand on it, the copy is marked, nothing promises money back."""

from __future__ import annotations

from dataclasses import fields, replace

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.receipts.maker import receipt_text, stored_receipt
from agent.receipts.model import Cut, Qr, Receipt, ReceiptError, Text, receipt_from_json
from agent.receipts.plain import render_text
from agent.receipts.redemption import RedemptionFacts, marked_copy, redemption_receipt
from tests.receipt_samples import EN, TOKEN, ZH

BOTH = pytest.mark.parametrize("facts", [ZH, EN], ids=["zh", "en"])
FORBIDDEN = ("返现", "cash back", "cashback", "refund")


@BOTH
def test_every_fact_stands_on_the_receipt(facts):
    text = render_text(redemption_receipt(facts))
    for field in ("store_name", "till", "printed_at", "redemption_number", "campaign_title", "benefit_text"):
        assert getattr(facts, field) in text
    for field in ("promo_title", "promo_short", "promo_conditions"):
        assert getattr(facts, field) in text
    for amount in ("￥128.00", "-￥30.00", "￥98.00"):
        assert amount in text


@BOTH
def test_the_saved_amount_is_the_largest_thing_on_it(facts):
    sizes = {
        element.text: element.size
        for element in redemption_receipt(facts).elements
        if isinstance(element, Text)
    }
    assert max(sizes, key=lambda text: sizes[text]) == "￥30.00"


@BOTH
def test_no_wording_that_promises_money(facts):
    text = render_text(redemption_receipt(facts)).casefold()
    assert not any(word in text for word in FORBIDDEN)


@BOTH
def test_the_promotion_is_a_code_and_is_left_out_when_there_is_none(facts):
    assert [e.data for e in redemption_receipt(facts).elements if isinstance(e, Qr)] == [TOKEN]
    without = redemption_receipt(replace(facts, promo_token=None))
    assert not any(isinstance(element, Qr) for element in without.elements)
    assert facts.promo_title not in render_text(without)


@pytest.mark.parametrize(("facts", "words"), [(ZH, "离线核销"), (EN, "offline")])
def test_an_offline_redemption_says_so(facts, words):
    assert words in render_text(redemption_receipt(replace(facts, offline=True)))
    assert words not in render_text(redemption_receipt(replace(facts, offline=False)))


@BOTH
def test_what_is_not_known_is_not_printed(facts):
    bare = replace(facts, sale_total_minor=None, discount_minor=None, payable_minor=None)
    text = render_text(redemption_receipt(bare))
    assert "￥" not in text
    assert ("已核销" if facts.language == "zh" else "Redeemed") in text


@pytest.mark.parametrize(("facts", "mark"), [(ZH, "重打 第2次"), (EN, "COPY 2")])
def test_a_copy_is_marked_on_both_ends(facts, mark):
    original = redemption_receipt(facts)
    assert mark not in render_text(original)
    copy = redemption_receipt(replace(facts, copy_number=2))
    lines = [line for line in render_text(copy).splitlines() if line.strip()]
    assert mark in lines[0]
    assert mark in lines[-2], "above the cut"
    assert copy == marked_copy(receipt_from_json(original.to_json()), 2, facts.language)
    assert isinstance(copy.elements[-1], Cut)


def test_a_receipt_without_a_cut_is_marked_too():
    assert marked_copy(Receipt(()), 1, "en").elements[0] == marked_copy(Receipt(()), 1, "en").elements[1]


@pytest.mark.parametrize(
    "wrong",
    [
        {"language": "fr"},
        {"currency": "yuan"},
        {"copy_number": -1},
        {"promo_token": "优惠"},
        {"store_name": "x" * 600},
    ],
)
def test_facts_that_cannot_be_printed_are_refused(wrong):
    with pytest.raises(ReceiptError):
        redemption_receipt(replace(ZH, **wrong))


@settings(max_examples=30)
@given(
    st.fixed_dictionaries({f.name: st.text(max_size=40) for f in fields(RedemptionFacts) if f.type == "str"})
)
def test_any_text_makes_a_receipt_that_can_be_stored(texts):
    receipt = redemption_receipt(replace(ZH, **{**texts, "currency": "CNY"}))
    assert receipt_from_json(receipt.to_json()) == receipt
    assert render_text(receipt, 32)


@BOTH
def test_facts_that_cannot_be_laid_out_are_printed_as_their_number(facts):
    """A job that raised would stop the printer for good."""
    stored = msgspec.json.encode(replace(facts, campaign_title="a\x1bb")).decode()
    text = receipt_text(stored, 0, 32)
    assert facts.redemption_number in text
    assert "\x1b" not in text


@BOTH
def test_stored_facts_give_the_same_receipt_again(facts):
    stored = msgspec.json.encode(facts).decode()
    assert stored_receipt(stored, 0) == redemption_receipt(facts)
    assert stored_receipt(stored, 2) == marked_copy(redemption_receipt(facts), 2, facts.language)
