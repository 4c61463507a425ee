"""A campaign's wire form, and what a personal value makes of its offer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.domain import campaign as campaigns
from agent.domain import cbor
from agent.domain.benefit import (
    AmountOff,
    AmountStep,
    Attribution,
    Gift,
    StoredValue,
    exposure_minor,
    lowered,
    most_minor,
)
from agent.domain.campaign import Budget, OfflineClass, Words
from tests.offers import amount_off, free_item, percent_off
from tests.unit.domain_kit import campaign, examples
from tests.unit.pricing_cases import random_coupon

LADDER = AmountOff((AmountStep(10_000, 2_000), AmountStep(20_000, 5_000)))


@pytest.mark.parametrize(
    ("benefit", "value", "least"),
    [
        (amount_off(10_000, 3_000).benefit, 7, amount_off(10_000, 7).benefit),
        (percent_off(15, 500).benefit, 7, percent_off(15, 7).benefit),
        (free_item(("A", "B"), 450).benefit, 7, free_item(("A", "B"), 7).benefit),
        (LADDER, 2_000, AmountOff((AmountStep(10_000, 2_000),))),
        (LADDER, 4_000, AmountOff((AmountStep(10_000, 2_000), AmountStep(20_000, 4_000)))),
        (StoredValue(10_000), 7, StoredValue(7)),
    ],
)
def test_a_personal_value_lowers_what_a_benefit_gives(benefit, value, least):
    most = exposure_minor(benefit)
    assert lowered(benefit, value) == least
    assert exposure_minor(least) == value == most_minor(benefit, value)
    for same in (None, most, most + 1):
        assert lowered(benefit, same) is benefit
        assert most_minor(benefit, same) == most


def test_what_costs_by_the_piece_or_nothing_keeps_its_words():
    for benefit in (Gift(frozenset({"A"}), 900), Attribution()):
        assert lowered(benefit, 5) is benefit
    assert most_minor(Gift(frozenset({"A"}), 900), 5) == 5


words = st.builds(Words, st.sampled_from(["", "满减"]), st.sampled_from(["", "Offer"]))
numbers = st.integers(1, 10**6)
any_campaign = st.builds(
    campaign,
    number=numbers,
    title=words,
    offer=st.builds(amount_off, numbers, numbers)
    | st.builds(percent_off, st.integers(1, 100), numbers, numbers)
    | st.randoms(use_true_random=False).map(lambda random: random_coupon(random, 0).offer),
    stores=st.none() | st.frozensets(numbers, max_size=4),
    offline_class=st.sampled_from(OfflineClass),
    budget=st.builds(Budget, numbers, numbers, numbers, numbers),
    grace_days=st.integers(0, 366),
    prompt=words,
).filter(lambda one: one.offer.stacking.per_sale == 1)


@examples(100)
@given(any_campaign)
def test_a_campaign_survives_the_wire(offer):
    assert campaigns.from_wire(cbor.decode(cbor.encode(campaigns.to_wire(offer)))) == offer
