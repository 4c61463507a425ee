"""What a redemption's record says of lines, payers and earners: sums that hold, and a size that is bounded."""

from __future__ import annotations

import json
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.domain.benefit import AmountOff, AmountStep
from agent.domain.fields import FieldError
from agent.domain.offer import PARTIES, Funding, Incentives, Offer, Reward, from_wire, to_wire
from agent.domain.outcome import Outcome
from agent.domain.record import canonical_json
from agent.domain.sale import Line, Sale
from agent.domain.settlement import LINES_MAX, settled, unsettled
from agent.domain.token import Coupon
from tests.unit.domain_kit import World, campaign, examples

REWARDS = Incentives(
    assistant=Reward(minor=100),
    store=Reward(permille=20, cap_minor=150),
    referrers=(Reward(permille=10, cap_minor=500), Reward(minor=30)),
)


def facts(world: World) -> dict[str, Any]:
    """What the record of an accepted coupon says."""
    decision = world.decide()
    assert decision.outcome is Outcome.ACCEPTED
    assert world.campaign is not None
    coupon = Coupon(world.key.issuer, world.claims, world.key.kid)
    found = settled(
        world.campaign, coupon, world.sale, decision.applied, lambda pseudonym: f"<{pseudonym.hex()}>"
    )
    canonical_json(found)
    return found | {"discount_minor": decision.discount_minor}


def test_a_known_sale_is_shared_out() -> None:
    lines = (
        Line("TEA", 2, 3_000, "drinks", tax_class="a"),
        Line("CAKE", 1, 6_000, "cakes", line="x"),
    )
    sale = Sale("1", "CNY", 12_000, lines, tenders=frozenset({"cash"}), assistant="B-1")
    offer = Offer(AmountOff((AmountStep(10_000, 3_000),)), funding=Funding(500, 300, 200), incentives=REWARDS)
    world = World(sale=sale).with_campaign(offer=offer).with_claims(referrer=bytes(range(8)))
    found = facts(world)
    assert found["basket"] == {
        "lines": 2,
        "pieces": 3,
        "total_minor": 12_000,
        "categories": [{"name": "cakes", "amount_minor": 6_000}, {"name": "drinks", "amount_minor": 6_000}],
    }
    assert found["funded_minor"] == {"issuer": 1_500, "merchant": 900, "supplier": 600}
    assert {line["line"]: (line["quantity"], line["share_minor"]) for line in found["lines"]} == {
        "1": (2, 1_500),
        "x": (1, 1_500),
    }
    assert (found["tenders"], found["assistant"], found["payment"]) == (["cash"], "B-1", False)
    assert [(one["party"], one["tier"], one["who"], one["amount_minor"]) for one in found["incentives"]] == [
        ("assistant", 1, "B-1", 100),
        ("store", 1, None, 150),  # 2 % of 90.00 is 1.80: the cap
        ("referrer", 1, "<0001020304050607>", 90),
        ("referrer", 2, None, 30),
    ]
    assert unsettled(found) == ""


def test_who_is_not_known_earns_nothing() -> None:
    world = World().with_campaign(offer=replace(campaign().offer, incentives=REWARDS))
    assert [one["party"] for one in facts(world)["incentives"]] == ["store"]
    blind = facts(world.but(sale=None))
    assert blind["incentives"] == [{"party": "store", "tier": 1, "who": None, "amount_minor": 0}]
    assert (blind["basket"], "lines" in blind) == (None, False)
    assert unsettled(blind) == ""


@examples(60)
@given(st.integers(1, 400), st.integers(0, 10_000))
def test_every_record_adds_up_and_stays_within_an_event(count: int, seed: int) -> None:
    random = Random(seed)
    names = ("\U0001f600" * 56 + f"{place:08}" for place in range(count))
    lines = tuple(
        Line(f"S{place}", 1, random.randint(1, 10**9), "\U0001f600" * 64, line=name)
        for place, name in enumerate(names)
    )
    total = sum(line.unit_price_minor for line in lines)
    offer = Offer(AmountOff((AmountStep(0, 9_999),)), funding=Funding(333, 333, 334))
    world = World(sale=Sale("1", "CNY", total, lines)).with_campaign(offer=offer)
    found = facts(world.but(key=replace(world.key, value_max_minor=10**12)))
    assert unsettled(found) == ""
    assert len(found["lines"]) <= LINES_MAX + 1
    assert sum(found["funded_minor"].values()) == found["discount_minor"]
    assert len(json.dumps(found, ensure_ascii=False).encode()) < 60 * 1024


GOOD = {"discount_minor": 5, "lines": [{"share_minor": 5, "funded_minor": [5, 0, 0]}]}


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ({}, ""),
        ({"lines": None}, ""),
        ({"discount_minor": None}, ""),
        ({"discount_minor": 6}, "do not sum to the discount"),
        ({"lines": []}, "do not sum to the discount"),
        ({"lines": {}}, "not a list"),
        ({"lines": [5]}, "not an object"),
        ({"lines": [{}]}, "no share"),
        ({"lines": [{"share_minor": True, "funded_minor": [1, 0, 0]}]}, "no share"),
        ({"lines": [{"share_minor": 5, "funded_minor": [5, 0]}]}, "not one part"),
        ({"lines": [{"share_minor": 5, "funded_minor": [6, -1, 0]}]}, "do not sum to its share"),
        ({"lines": [{"share_minor": 5, "funded_minor": [4, 0, 0]}]}, "do not sum to its share"),
    ],
)
def test_shares_that_cannot_be_right_are_found(change: dict[str, Any], wrong: str) -> None:
    said = unsettled(GOOD | change)
    assert (wrong in said) if wrong else not said


def test_incentives_have_a_strict_form() -> None:
    offer = Offer(AmountOff((AmountStep(0, 5),)), incentives=REWARDS)
    assert from_wire(to_wire(offer)) == offer
    assert REWARDS.most_minor == 100 + 150 + 500 + 30
    one = {"minor": 1}
    for wire, word in (
        ({"referrers": [one, one, one]}, "offer.incentives.referrers has more than 2 tiers: the law"),
        ({"assistant": {}}, "offer.incentives.assistant.minor or permille is needed"),
        ({"store": {"permille": 10}}, "offer.incentives.store.cap_minor is needed"),
        ({"referrers": [{"minor": -1}]}, "offer.incentives.referrers[0].minor"),
        ({"staff": one}, "offer.incentives.staff is not known"),
    ):
        with pytest.raises(FieldError) as caught:
            from_wire(to_wire(replace(offer, incentives=Incentives())) | {"incentives": wire})
        assert word in str(caught.value)


def test_the_parties_are_those_of_the_funding() -> None:
    assert PARTIES == ("issuer", "merchant", "supplier")
