"""What a benefit gives, case by case."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.domain import campaign as campaigns
from agent.domain import cbor
from agent.domain.campaign import (
    AmountOff,
    Benefit,
    Budget,
    FreeItem,
    Missing,
    OfflineClass,
    PercentOff,
    Words,
    personal,
)
from agent.domain.sale import Line, Sale
from tests.unit.domain_kit import campaign, examples


def sale(total, *lines):
    return Sale("1", "CNY", total, tuple(Line(*line) for line in lines))


AMOUNT, PERCENT, ITEM = AmountOff(10_000, 3_000), PercentOff(15, 500, 100), FreeItem(("A", "B"), 450)


@pytest.mark.parametrize(
    ("rule", "basket", "result"),
    [
        (AMOUNT, None, Benefit(None)),
        (AMOUNT, sale(10_000), Benefit(3_000)),
        (AMOUNT, sale(9_999), Missing(spend_minor=1)),
        (AMOUNT, sale(0), Missing(spend_minor=10_000)),
        (AmountOff(0, 3_000), sale(2_000), Benefit(2_000)),
        (PERCENT, None, Benefit(None)),
        (PERCENT, sale(100), Benefit(15)),
        (PERCENT, sale(106), Benefit(15)),  # 15.9, rounded down
        (PERCENT, sale(107), Benefit(16)),
        (PERCENT, sale(3_333), Benefit(499)),
        (PERCENT, sale(3_334), Benefit(500)),
        (PERCENT, sale(10**12), Benefit(500)),
        (PERCENT, sale(99), Missing(spend_minor=1)),
        (PercentOff(100, 10**12, 0), sale(12_345), Benefit(12_345)),
        (ITEM, None, Benefit(None)),
        (ITEM, sale(1_000), Benefit(None)),
        (ITEM, sale(1_000, ("C", 1, 1_000)), Missing(sku="A")),
        (ITEM, sale(1_000, ("A", 1, 400), ("B", 2, 300)), Benefit(300)),
        (ITEM, sale(1_000, ("A", 1, 1_000)), Benefit(450)),
        (ITEM, sale(200, ("A", 1, 400)), Benefit(200)),  # reduced elsewhere already
        (ITEM, sale(1_000, ("A", 0, 100), ("B", 1, 300)), Benefit(300)),
        (ITEM, sale(1_000, ("A", -1, 100)), Missing(sku="A")),  # a return earns nothing
    ],
)
def test_what_a_sale_earns(rule, basket, result):
    assert rule.apply(basket) == result


@pytest.mark.parametrize(
    ("rule", "least"),
    [(AMOUNT, AmountOff(10_000, 7)), (PERCENT, PercentOff(15, 7, 100)), (ITEM, FreeItem(("A", "B"), 7))],
)
def test_a_personal_value_replaces_the_most_that_a_rule_gives(rule, least):
    most = rule.exposure_minor()
    assert personal(rule, 7) == least
    assert least.exposure_minor() == 7
    assert personal(rule, None) is rule
    assert personal(rule, most) is rule
    assert personal(rule, most + 1) is rule


words = st.builds(Words, st.sampled_from(["", "满减"]), st.sampled_from(["", "Offer"]))
numbers = st.integers(1, 10**6)
any_campaign = st.builds(
    campaign,
    number=numbers,
    title=words,
    benefit=st.builds(AmountOff, numbers, numbers)
    | st.builds(PercentOff, st.integers(1, 100), numbers, numbers)
    | st.builds(FreeItem, st.lists(st.sampled_from("ABC"), min_size=1, max_size=3).map(tuple), numbers),
    stores=st.none() | st.frozensets(numbers, max_size=4),
    offline_class=st.sampled_from(OfflineClass),
    budget=st.builds(Budget, numbers, numbers, numbers, numbers),
    grace_days=st.integers(0, 366),
    prompt=words,
)


@examples(100)
@given(any_campaign)
def test_a_campaign_survives_the_wire(offer):
    assert campaigns.from_wire(cbor.decode(cbor.encode(campaigns.to_wire(offer)))) == offer
