"""A coupon laid over a basket, what is left while coupons are counted, and what a coupon does to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from agent.domain.basket import Basket
from agent.domain.benefit import EVERYTHING, Benefit, Gift, Item, Items, Pickup, exposure_minor
from agent.domain.eligibility import Facts, Presented
from agent.domain.lots import State
from agent.domain.objection import Objection, Reason
from agent.domain.offer import Base


@dataclass(frozen=True, slots=True)
class Hint:
    """What the cashier can suggest: with so much more the coupon gives `then_minor` or `then_percent` instead."""

    missing_minor: int = 0
    missing_pieces: int = 0
    then_minor: int = 0
    then_percent: int = 0


@dataclass(frozen=True, slots=True)
class HandOver:
    """`pieces` of one of `skus` go to the customer; they are not in the basket."""

    skus: tuple[str, ...]
    pieces: int


class Effect(NamedTuple):
    """What is left afterwards, what came off, what goes to the customer besides and what that is worth."""

    state: State
    amount_minor: int = 0
    hand_over: HandOver | None = None
    hand_over_minor: int = 0
    points_spent: int = 0
    hint: Hint | None = None


class Candidate(NamedTuple):
    """A coupon laid over a basket.

    counted: places of the lines that minimums and percentages count, their price before coupons and their pieces.
    target: places of the lines that get cheaper, those of one tax class together.
    cap_minor: the most that comes off, the coupon's personal value counted in.
    """

    coupon: Presented
    basket: Basket
    facts: Facts
    counted: tuple[int, ...]
    counted_minor: int
    counted_pieces: int
    target: tuple[tuple[int, ...], ...]
    cap_minor: int

    @property
    def benefit(self) -> Benefit:
        return self.coupon.offer.benefit

    @property
    def on_original(self) -> bool:
        return self.coupon.offer.stacking.base is Base.ORIGINAL


def candidate(coupon: Presented, basket: Basket, facts: Facts) -> Candidate:
    offer = coupon.offer
    gift = offer.benefit.gift if isinstance(offer.benefit, Pickup) else offer.benefit
    eligible = [place for place, line in enumerate(basket.lines) if offer.items.hold(line)]
    other = None
    if isinstance(gift, Gift):
        other = Items(skus=gift.skus)
    elif isinstance(gift, Item):
        other = gift.target
    target, counted = eligible, eligible
    if other is not None:
        target = [place for place, line in enumerate(basket.lines) if other.hold(line)]
        counted = [place for place in eligible if place not in target]
    classes: dict[str, list[int]] = {}
    for place in target:
        classes.setdefault(basket.lines[place].tax_class, []).append(place)
    cap = exposure_minor(offer.benefit)
    return Candidate(
        coupon,
        basket,
        facts,
        tuple(counted),
        sum([basket.lines[place].amount_minor for place in counted]),
        sum([basket.lines[place].quantity for place in counted]),
        tuple([tuple(classes[name]) for name in sorted(classes)]),
        cap if coupon.value_minor is None else min(cap, coupon.value_minor),
    )


def spend_of(one: Candidate, state: State) -> int:
    """What the counted lines cost, by the prices that the offer sees."""
    return one.counted_minor if one.on_original else sum(map(state.left.__getitem__, one.counted))


def left_of(one: Candidate, state: State) -> int:
    """What is left to pay of the lines that get cheaper."""
    return sum([state.left[place] for lines in one.target for place in lines])


def minimum(one: Candidate, spend: int, *, from_minor: int = 0, pieces: int = 0) -> Objection | None:
    """Whether the eligible lines are there, enough pieces and enough money: in this order."""
    offer = one.coupon.offer
    need_pieces = max(offer.conditions.min_pieces, pieces)
    need_minor = max(offer.conditions.min_spend_minor, from_minor)
    missing_minor = max(need_minor - spend, 0)
    missing_pieces = max(need_pieces - one.counted_pieces, 0)
    if not one.counted and offer.items != EVERYTHING:
        return Objection(Reason.ITEM_MISSING, missing_minor, max(missing_pieces, 1))
    if missing_pieces:
        return Objection(Reason.PIECES_MISSING, missing_minor, missing_pieces)
    return Objection(Reason.SPEND_MISSING, missing_minor) if missing_minor else None
