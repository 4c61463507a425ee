"""The redemption receipt: the facts stand on it, the copy is marked, nothing promises money back."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import fields, replace

from agent.receipts.book import built_in
from agent.receipts.maker import document_of, lay_out
from agent.receipts.model import Cut, Qr, Receipt, ReceiptError, Text, receipt_from_json
from agent.receipts.plain import render_text
from agent.receipts.redemption import RedemptionFacts, marked_copy
from tests.receipt_samples import EN, TOKEN, ZH, redemption_receipt

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
def test_what_a_stored_value_paid_is_no_discount_and_what_is_left_is_what_the_till_knows(facts):
    paying = replace(
        facts, discount_minor=None, paid_minor=3_000, others_minor=800, payable_minor=9_000, left_minor=7_000
    )
    text = render_text(redemption_receipt(paying))
    for amount in ("￥128.00", "-￥30.00", "-￥8.00", "￥90.00", "￥100.00", "￥70.00"):
        assert amount in text
    assert ("以本收银台记录为准" if facts.language == "zh" else "As this till knows it") in text
    assert ("节省" if facts.language == "zh" else "saved") not in text
    assert ("余额" if facts.language == "zh" else "Left") not in render_text(redemption_receipt(facts))


@BOTH
def test_points_that_pay_are_named_as_points(facts):
    """They stood as stored value: 券内支付."""
    paying = replace(facts, discount_minor=None, paid_minor=2_000, points_spent=2_000, payable_minor=10_800)
    text = render_text(redemption_receipt(paying), 32)
    (line,) = [line for line in text.splitlines() if "-￥20.00" in line]
    assert ("积分抵扣（2,000 分）" if facts.language == "zh" else "Paid by 2,000 points") in line
    assert ("券内" if facts.language == "zh" else "by coupon") not in text


@BOTH
def test_a_coupon_that_takes_nothing_off_prints_no_line_of_zero(facts):
    """A points multiplier printed a discount of 0.00."""
    more = replace(facts, discount_minor=0, payable_minor=12_800, points_earned=1_234)
    text = render_text(redemption_receipt(more), 32)
    assert "0.00" not in text.replace("128.00", "")
    (line,) = [line for line in text.splitlines() if "1,234" in line]
    assert ("本次获得积分" if facts.language == "zh" else "Points earned") in line
    assert ("优惠抵扣" if facts.language == "zh" else "Discount") not in text
    assert "￥0" not in render_text(redemption_receipt(replace(more, paid_minor=0, discount_minor=None)))


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
    copy = marked_copy(original, 2)
    lines = [line for line in render_text(copy).splitlines() if line.strip()]
    assert mark in lines[0]
    assert mark in lines[-2], "above the cut"
    assert copy == document_of(original.to_json(), 2)
    assert isinstance(copy.elements[-1], Cut)


def test_a_receipt_without_a_cut_is_marked_too():
    first, last = marked_copy(Receipt(()), 1).elements
    assert first == last


@BOTH
def test_each_paper_of_a_copy_is_marked_on_both_ends(facts):
    original = redemption_receipt(replace(facts, papers=("redemption", "exchange")))
    text = render_text(marked_copy(original, 3))
    first, second = text.split("- - -" + " -" * 21)[:2]
    for paper in (first, second):
        lines = [line for line in paper.splitlines() if line.strip()]
        assert "3" in lines[0]
        assert lines[0] == lines[-1]
    assert sum(isinstance(element, Cut) for element in original.elements) == 2


@BOTH
@pytest.mark.parametrize("number", [0, -1])
def test_a_copy_has_a_number(facts, number):
    with pytest.raises(ReceiptError):
        marked_copy(redemption_receipt(facts), number)


@pytest.mark.parametrize(
    "wrong",
    [
        {"language": "fr"},
        {"currency": "yuan"},
        {"papers": ("invoice",)},
    ],
)
def test_facts_that_cannot_be_printed_are_refused(wrong):
    with pytest.raises(ReceiptError):
        redemption_receipt(replace(ZH, **wrong))


@settings(max_examples=30)
@given(
    st.fixed_dictionaries({f.name: st.text(max_size=40) for f in fields(RedemptionFacts) if f.type is str})
)
def test_any_text_makes_a_receipt_that_can_be_stored(texts):
    receipt = redemption_receipt(replace(ZH, **{**texts, "currency": "CNY"}))
    assert receipt_from_json(receipt.to_json()) == receipt
    assert render_text(receipt, 32)


@BOTH
def test_facts_that_cannot_be_laid_out_are_printed_as_their_number(facts):
    """A job that raised would stop the printer for good."""
    stored = msgspec.json.encode(replace(facts, campaign_title="a\x1bb", papers=("invoice",))).decode()
    text = render_text(document_of(lay_out(stored, built_in), 0), 32)
    assert facts.redemption_number in text
    assert "\x1b" not in text


@BOTH
def test_stored_facts_give_the_same_receipt_again(facts):
    stored = msgspec.json.encode(facts).decode()
    assert document_of(lay_out(stored, built_in), 0) == redemption_receipt(facts)
    assert document_of(lay_out(stored, built_in), 2) == marked_copy(redemption_receipt(facts), 2)


@BOTH
def test_facts_longer_than_their_room_are_cut_and_printed(facts):
    text = render_text(redemption_receipt(replace(facts, store_name="x" * 600)))
    assert "x" * 40 in text
    assert "…" in text
