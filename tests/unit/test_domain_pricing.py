"""Pricing: what holds for every sale, the published vectors, docs/campaigns.md, and the oracle on random sales."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.domain.basket import (
    TOTAL_LINE,
    Basket,
    BasketLine,
    basket_of,
    of_total,
    share_of_pieces,
    spread,
)
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
    PointsSpend,
    SetOff,
    SetPrice,
    StoredValue,
    Which,
    exposure_minor,
)
from agent.domain.benefit_wire import KIND_OF
from agent.domain.eligibility import Facts, Member, Presented
from agent.domain.objection import Reason
from agent.domain.offer import Base, Conditions, Limits, Mode, Offer, Stacking
from agent.domain.pricing import COUNTED_MAX, PRESENTED_MAX, Quote, quote
from agent.domain.sale import Line, Sale
from tests.unit.campaign_page import PAGE, filled, shown
from tests.unit.pricing_cases import random_basket, random_case, random_coupon, random_line
from tests.unit.pricing_check import first_difference
from tests.vectors import pricing as vectors
from tests.vectors.pricing_examples import EXAMPLES

FACTS = Facts(20_000, 600, 12, "M-1", member=Member(b"m", points=100))
JOINT = Stacking(Mode.JOINT, per_sale=8)
OFF_5 = AmountOff((AmountStep(0, 5),))
SEEDS = st.integers(0, 10**9)


def coupon(number: int, benefit: Benefit, *, serial: int = 0, **offer: Any) -> Presented:
    return Presented(("acme", number, serial), Offer(benefit, **offer), "CNY", 20_000)


def basket(*lines: tuple[str, int, int]) -> Basket:
    return Basket("CNY", tuple(BasketLine(str(place), *line) for place, line in enumerate(lines, 1)))


def refusals(answer: Quote) -> dict[Any, Reason]:
    return {one.key: one.objection.reason for one in answer.refused}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example["name"])
def test_the_examples_come_to_what_was_worked_out_by_hand(example: dict[str, Any]) -> None:
    assert vectors.result(quote(*vectors.read_case(example))) == example["expect"]


def test_the_page_shows_every_example_as_it_is_computed() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert filled(page) == page, "write it with: python -m tests.unit.campaign_page"
    assert sorted(shown(page)) == sorted(example["name"] for example in EXAMPLES)


def test_the_page_names_every_kind_and_every_reason() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert [name for name in (*KIND_OF.values(), *Reason) if f"`{name}`" not in page] == []


@pytest.mark.parametrize(
    "condition", vectors.CONDITIONS, ids=lambda one: f"{one['reason']}-{one['conditions']}"
)
def test_conditions_hold_or_name_their_reason(condition: dict[str, Any]) -> None:
    answer = quote(*vectors.read_case(vectors.condition_case(condition)))
    expected = {} if condition["reason"] is None else {("acme", 1, 1): condition["reason"]}
    assert refusals(answer) == expected
    assert answer.discount_minor == (0 if expected else 100)


@pytest.mark.parametrize("start", range(0, 1_200, 300))
def test_the_engine_agrees_with_the_oracle(start: int) -> None:
    assert first_difference(range(start, start + 300)) == ""


@settings(max_examples=300)
@given(SEEDS)
def test_sums_caps_and_bounds_hold(seed: int) -> None:
    sale, presented, facts = random_case(seed)
    answer = quote(sale, presented, facts)
    by_key = {one.key: one for one in presented}
    amounts = {line.line: line.amount_minor for line in sale.lines}
    off: Counter[str] = Counter()
    for one in answer.applied:
        coupon_ = by_key[one.key]
        for share in one.shares:
            assert share.amount_minor > 0, "a line without a share is left out"
            assert sum(share.funded_minor) == share.amount_minor
            assert min(share.funded_minor) >= 0
            off[share.line] += share.amount_minor
        assert sum(share.amount_minor for share in one.shares) == one.amount_minor
        assert one.amount_minor <= exposure_minor(coupon_.offer.benefit)
        assert coupon_.value_minor is None or one.amount_minor <= coupon_.value_minor
        funding = coupon_.offer.funding
        for place, permille in enumerate((funding.issuer, funding.merchant, funding.supplier)):
            paid = sum(share.funded_minor[place] for share in one.shares)
            assert abs(paid * 1000 - permille * one.amount_minor) < 1000, "a party pays its part, rounded"
    assert all(off[line] <= amounts[line] for line in off), "no line costs less than nothing"
    assert answer.due_minor == sale.total_minor - answer.discount_minor - answer.paid_minor >= 0
    assert sum(off.values()) == answer.discount_minor + answer.paid_minor


@settings(max_examples=300)
@given(SEEDS)
def test_the_order_of_scanning_does_not_matter(seed: int) -> None:
    sale, presented, facts = random_case(seed)
    rng = Random(seed)
    lines = rng.sample(sale.lines, len(sale.lines))
    shuffled = replace(sale, lines=tuple(lines))
    assert quote(shuffled, rng.sample(presented, len(presented)), facts) == quote(sale, presented, facts)


@settings(max_examples=300)
@given(SEEDS)
def test_a_coupon_more_never_costs_the_customer_more(seed: int) -> None:
    sale, presented, facts = random_case(seed)
    fewer, all_of_them = quote(sale, presented[1:], facts), quote(sale, presented, facts)
    assert all_of_them.discount_minor + worth_handed(all_of_them, presented) >= (
        fewer.discount_minor + worth_handed(fewer, presented)
    )


def worth_handed(answer: Quote, presented: list[Presented]) -> int:
    """The value of the gifts that are handed over."""
    benefits = {one.key: one.offer.benefit for one in presented}
    worth = 0
    for one in answer.applied:
        benefit = benefits[one.key]
        gift = benefit.gift if isinstance(benefit, Pickup) else benefit
        if one.hand_over:
            assert isinstance(gift, Gift), "only gifts are handed over"
            worth += gift.value_minor * one.hand_over.pieces
    return worth


@settings(max_examples=300)
@given(SEEDS)
def test_more_basket_never_makes_a_coupon_worse(seed: int) -> None:
    """But where a rule says so: of the cheapest pieces a cheaper one comes first, and a gift that is scanned is not
    handed over besides (its price is counted instead of its value)."""
    rng = Random(seed)
    sale = random_basket(rng)
    one = random_coupon(rng, 0)
    benefit = one.offer.benefit
    if isinstance(benefit, Item) and benefit.which is Which.CHEAPEST:
        one = one._replace(offer=replace(one.offer, benefit=replace(benefit, which=Which.DEAREST)))
    if isinstance(benefit, Gift | Pickup) or not sale.lines_known:
        return
    more = replace(sale, lines=(*sale.lines, random_line(rng, "more")))
    facts = FACTS._replace(member=Member(b"m", points=rng.choice((0, 25, 300))))
    less_off, more_off = (sum(a.amount_minor for a in quote(b, [one], facts).applied) for b in (sale, more))
    assert more_off >= less_off


@settings(max_examples=300)
@given(SEEDS)
def test_what_is_missing_is_exactly_what_makes_it_apply(seed: int) -> None:
    rng = Random(seed)
    sale, one = replace(random_basket(rng), lines_known=True), random_coupon(rng, 0)
    one = one._replace(offer=replace(one.offer, items=Items(), conditions=Conditions(min_spend_minor=40)))
    if not isinstance(one.offer.benefit, AmountOff | PercentOff | SetOff | StoredValue | PointsSpend):
        return
    if isinstance(one.offer.benefit, SetOff) and one.offer.benefit.same_article:
        return  # so many more of the same article
    one = one._replace(balance_minor=50, currency="CNY", value_minor=None)
    for refused in quote(sale, [one], FACTS).refused:
        missing, pieces = refused.objection.missing_minor, refused.objection.missing_pieces
        if refused.objection.reason is Reason.SPEND_MISSING:
            assert enough(with_more(sale, missing), one)
            assert not enough(with_more(sale, missing - 1), one)
        elif refused.objection.reason is Reason.PIECES_MISSING:
            assert enough(with_more(sale, max(-(-missing // pieces), 20), pieces), one)
            assert not enough(with_more(sale, 1_000, pieces - 1), one)
        else:
            assert isinstance(one.offer.benefit, SetOff), "its pieces may be too cheap to get cheaper"


def enough(sale: Basket, one: Presented) -> bool:
    """Whether it counts, or would but for pieces that are too cheap."""
    answer = quote(sale, [one], FACTS)
    return not answer.refused or refusals(answer) == {one.key: Reason.NOTHING_CHEAPER}


def with_more(sale: Basket, price: int, pieces: int = 1) -> Basket:
    if not pieces:
        return sale
    return replace(sale, lines=(*sale.lines, BasketLine("more", "X", pieces, price)))


@given(st.integers(0, 500), st.lists(st.integers(0, 400), min_size=1, max_size=8))
def test_an_amount_is_spread_exactly_and_close_to_proportion(amount: int, weights: list[int]) -> None:
    amount = min(amount, sum(weights))
    shares = spread(amount, weights)
    assert sum(shares) == amount
    total = max(sum(weights), 1)
    assert all(
        0 <= s <= w and abs(s * total - amount * w) < total for s, w in zip(shares, weights, strict=True)
    )


@given(st.integers(0, 10_000), st.lists(st.integers(1, 5), min_size=1, max_size=8))
def test_pieces_go_back_with_exactly_the_share_of_their_line(share: int, returns: list[int]) -> None:
    before = back = 0
    for now in returns:
        part = share_of_pieces(share, sum(returns), before, now)
        assert part >= 0
        before, back = before + now, back + part
    assert back == share


def test_tax_classes_are_kept_apart() -> None:
    """Ten lines of one class and one of another: the class is reduced as if it were one line."""
    low = tuple(BasketLine(f"a{n}", f"A{n}", 1, 7, tax_class="7") for n in range(10))
    sale = Basket("CNY", (*low, BasketLine("b", "B", 1, 30, tax_class="19")))
    (applied,) = quote(sale, [coupon(1, AmountOff((AmountStep(0, 33),)))], FACTS).applied
    shares = {share.line: share.amount_minor for share in applied.shares}
    assert shares.pop("b") == 10  # 33 x 30 / 100 = 9.9
    assert sum(shares.values()) == 23


def test_two_free_pieces_of_one_line_are_two_pieces() -> None:
    free = Item(Change(percent=100), 1_000)
    two = [coupon(1, free, serial=n, stacking=JOINT) for n in range(3)]
    answer = quote(basket(("A", 2, 500)), two, FACTS)
    assert (answer.discount_minor, answer.due_minor) == (1_000, 0)
    assert list(refusals(answer).values()) == [Reason.TOO_LITTLE_LEFT]


def test_a_sale_wide_coupon_counted_first_leaves_pieces_uneven_and_nothing_is_lost() -> None:
    first = coupon(1, OFF_5, stacking=replace(JOINT, priority=1))
    free = [coupon(2, Item(Change(percent=100), 1_000), serial=n, stacking=JOINT) for n in range(2)]
    answer = quote(basket(("A", 3, 10)), [first, *free], FACTS)
    assert [one.amount_minor for one in answer.applied] == [5, 9, 8]  # 30 - 5 = 9 + 8 + 8


def test_a_set_of_which_nothing_is_left_is_passed_over() -> None:
    free = coupon(1, AmountOff((AmountStep(0, 20),)), items=Items(skus=frozenset("A")), stacking=JOINT)
    free = free._replace(offer=replace(free.offer, stacking=replace(JOINT, priority=1)))
    two_for_1 = SetPrice(2, 1, 100, sets_max=2)
    priced = coupon(2, two_for_1, stacking=replace(JOINT, base=Base.ORIGINAL))
    answer = quote(basket(("A", 2, 10), ("B", 2, 8)), [free, priced], FACTS)
    assert [one.amount_minor for one in answer.applied] == [20, 15]


FREE_A = coupon(2, Item(Change(percent=100), 100), items=Items(skus=frozenset("A")), stacking=JOINT)


@pytest.mark.parametrize(
    ("benefit", "discount", "handed"),
    [
        (Item(Change(percent=100), 100, which=Which.CHEAPEST), 11, 0),
        (Gift(frozenset("A"), 12), 1, 1),
    ],
)
def test_a_coupon_may_give_more_beside_another_than_alone(
    benefit: Benefit, discount: int, handed: int
) -> None:
    """Alone each gives 1, the price of A. What is tried first gives 5 and must not end the search."""
    rival = coupon(1, OFF_5, stacking=Stacking(priority=1))
    answer = quote(
        basket(("A", 1, 1), ("B", 1, 10)), [rival, FREE_A, coupon(3, benefit, stacking=JOINT)], FACTS
    )
    assert answer.discount_minor == discount
    assert sum(one.hand_over.pieces for one in answer.applied if one.hand_over) == handed


def test_ties_go_to_fewer_coupons_then_to_those_that_expire_first() -> None:
    ten = coupon(9, AmountOff((AmountStep(0, 10),)))._replace(expires=20_009)
    fives = [coupon(n, OFF_5, stacking=JOINT)._replace(expires=20_000 - n) for n in range(3)]
    answer = quote(basket(("A", 1, 100)), [ten, *fives[:2]], FACTS)
    assert [one.key[1] for one in answer.applied] == [9]
    two = [one._replace(offer=replace(one.offer, stacking=replace(JOINT, together_max=2))) for one in fives]
    assert [one.key[1] for one in quote(basket(("A", 1, 100)), two, FACTS).applied] == [1, 2]


def test_points_are_spent_once() -> None:
    spend = PointsSpend(10, 1, 100)
    two = [coupon(n, spend, stacking=JOINT) for n in (1, 2)]
    answer = quote(basket(("A", 1, 50)), two, FACTS._replace(member=Member(b"m", points=35)))
    assert [(one.amount_minor, one.points_spent) for one in answer.applied] == [(3, 30)]
    (refused,) = answer.refused
    assert (refused.objection.reason, refused.objection.missing_points) == (Reason.POINTS_MISSING, 5)
    assert refused.objection.because == (("acme", 1, 0),)
    nobody = quote(basket(("A", 1, 50)), two[:1], FACTS._replace(member=None))
    assert list(refusals(nobody).values()) == [Reason.MEMBER_NEEDED]


def test_an_earlier_coupon_can_take_the_threshold_of_a_later_one() -> None:
    percent = coupon(1, PercentOff((PercentStep(1, 10),), 1_000), stacking=replace(JOINT, priority=1))
    steps = AmountOff((AmountStep(100, 30),))
    on_reduced = coupon(2, steps, stacking=JOINT)
    on_original = coupon(3, steps, stacking=replace(JOINT, base=Base.ORIGINAL))
    sale = basket(("A", 1, 105))
    answer = quote(sale, [percent, on_reduced], FACTS)
    assert [one.key[1] for one in answer.applied] == [2], "30 off alone is better than 10 off"
    assert refusals(answer)[percent.key] is Reason.BETTER_WITHOUT
    assert quote(sale, [percent, on_original], FACTS).discount_minor == 10 + 30


def test_at_most_so_many_together() -> None:
    five = [coupon(n, OFF_5, stacking=replace(JOINT, together_max=2)) for n in range(5)]
    answer = quote(basket(("A", 1, 100)), five, FACTS)
    assert [one.key[1] for one in answer.applied] == [0, 1], "equal coupons: the lowest identities"
    assert set(refusals(answer).values()) == {Reason.NOT_TOGETHER}


def test_a_limit_counts_the_coupons_of_this_sale_too() -> None:
    limited = Conditions(limits=Limits(till_day=2))
    three = [coupon(1, OFF_5, serial=n, conditions=limited, stacking=JOINT) for n in range(3)]
    assert quote(basket(("A", 1, 100)), three, FACTS).discount_minor == 10


def test_marks_and_stored_value_stand_beside_an_exclusive_coupon() -> None:
    coupons = [coupon(1, OFF_5), coupon(2, Attribution()), coupon(3, Pickup())]
    wallet = coupon(4, StoredValue(100))._replace(balance_minor=30)
    answer = quote(basket(("A", 1, 20)), [*coupons, wallet], FACTS)
    assert (answer.discount_minor, answer.paid_minor, len(answer.applied)) == (5, 15, 4)


def test_the_same_coupon_twice_counts_once() -> None:
    answer = quote(basket(("A", 1, 20)), [coupon(1, OFF_5)] * 2, FACTS)
    assert answer.discount_minor == 5
    assert refusals(answer) == {("acme", 1, 0): Reason.PRESENTED_TWICE}


def test_more_coupons_than_are_weighed() -> None:
    ten = [coupon(n, AmountOff((AmountStep(0, n),)), stacking=JOINT) for n in range(1, COUNTED_MAX + 3)]
    answer = quote(basket(("A", 1, 1_000)), ten, FACTS)
    assert refusals(answer) == {("acme", n, 0): Reason.TOO_MANY for n in (1, 2)}, "those that give least"
    with pytest.raises(ValueError, match=f"at most {PRESENTED_MAX}"):
        quote(basket(), [coupon(n, OFF_5) for n in range(PRESENTED_MAX + 1)], FACTS)


def test_a_line_of_ten_thousand_pieces_is_no_more_work_than_one() -> None:
    half = SetOff(2, 1, Change(percent=50), 10**9, sets_max=100)
    joint = [coupon(n, half, stacking=JOINT) for n in range(COUNTED_MAX)]
    many = Basket("CNY", tuple(BasketLine(str(n), str(n), 10_000, 100) for n in range(40)))
    assert quote(many, joint, FACTS).discount_minor == COUNTED_MAX * 100 * 50


def test_a_sale_becomes_a_basket() -> None:
    lines = (Line("A", 3, 100), Line("A", 1, 120), Line("B", 1, 50), Line("A", -2, 100), Line("C", -1, 20))
    made = basket_of(Sale("s", "CNY", 230, lines))
    assert [(one.line, one.sku, one.quantity) for one in made.lines] == [("1", "A", 2), ("3", "B", 1)]
    assert made.total_minor == 230, "what the POS took off or gave back is spread over the lines"
    fee = basket_of(Sale("s", "CNY", 260, lines))
    assert fee.total_minor == 250, "a bag or a fee is reduced by no coupon"
    assert basket_of(Sale("s", "CNY", 70)) == of_total("CNY", 70)
    assert of_total("CNY", 70).lines[0].line == TOTAL_LINE
    assert not of_total("CNY", 0).lines


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([BasketLine("1", "A", 1, 1), BasketLine("1", "B", 1, 1)], "two lines have the name 1"),
        ([BasketLine("1", "A", 2, 10**12)], "the total is above"),
        ([BasketLine(str(n), "A", 1, 1) for n in range(501)], "at most 500"),
    ],
)
def test_a_basket_beyond_its_bounds_is_refused(lines: list[BasketLine], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Basket("CNY", tuple(lines))


@pytest.mark.parametrize(
    ("quantity", "price", "reduced"), [(0, 10, 0), (10_001, 10, 0), (1, -1, 0), (1, 10, 11)]
)
def test_a_line_beyond_its_bounds_is_refused(quantity: int, price: int, reduced: int) -> None:
    with pytest.raises(ValueError, match="line 1: "):
        BasketLine("1", "A", quantity, price, reduced)
