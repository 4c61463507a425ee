"""Random small sales for pricing: few lines, small prices, so that ties, caps and empty lines are common."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from agent.domain.basket import Basket, BasketLine, of_total
from agent.domain.benefit import (
    EVERYTHING,
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
)
from agent.domain.eligibility import Facts, Member, Presented, Uses
from agent.domain.offer import Base, Conditions, Funding, Limits, Mode, Offer, Stacking

Case = tuple[Basket, list[Presented], Facts]

SKUS = ("A", "B", "C", "D")
CATEGORIES = ("drinks", "cakes")
BRANDS = ("", "oak", "elm")


def random_case(seed: int) -> Case:
    """A basket of up to five lines and up to five coupons of every kind; the same for the same seed."""
    rng = Random(seed)
    facts = Facts(
        20_000,
        rng.choice((500, 700)),
        12,
        "M-1",
        groups=frozenset({1}),
        tenders=rng.choice((None, frozenset({"cash"}))),
        member=rng.choice((None, Member(b"m", 2, rng.choice((0, 3)), 40, rng.choice((0, 25, 300))))),
        out_of_stock=frozenset(rng.sample(SKUS, rng.choice((0, 0, 1)))),
    )
    coupons = [random_coupon(rng, number) for number in range(rng.randint(1, 5))]
    if len(coupons) > 1 and rng.random() < 0.3:  # two coupons of one campaign
        coupons[1] = coupons[0]._replace(key=("acme", 0, 9), expires=coupons[1].expires)
    return random_basket(rng), coupons, facts


def random_basket(rng: Random) -> Basket:
    if rng.random() < 0.05:
        return of_total("CNY", rng.randint(0, 60))
    return Basket(
        "CNY", tuple(random_line(rng, str(number)) for number in range(rng.choice((0, 2, 3, 4, 5))))
    )


def random_line(rng: Random, name: str) -> BasketLine:
    quantity, price = rng.choice((1, 1, 2, 3)), rng.choice((0, 1, 5, 7, 10, 10, 13, 30))
    reduced = rng.randint(0, quantity * price) if rng.random() < 0.2 else 0
    sku = rng.choice(SKUS)
    return BasketLine(
        name,
        sku,
        quantity,
        price,
        reduced,
        CATEGORIES[SKUS.index(sku) % 2],
        rng.choice(BRANDS),
        rng.choice(("", "", "19", "7")),
    )


def random_coupon(rng: Random, number: int) -> Presented:
    mode = rng.choice((Mode.JOINT,) * 6 + (Mode.GROUPS, Mode.EXCLUSIVE))
    stacking = Stacking(
        mode,
        rng.choice(("", "g", "h")),
        frozenset({"g"}) if mode is Mode.GROUPS else frozenset(),
        rng.choice((50, 100, 100)),
        rng.choice((1, 2)),
        rng.choice((8, 8, 2)),
        rng.choice(tuple(Base)),
    )
    conditions = Conditions(
        min_spend_minor=rng.choice((0, 0, 0, 10, 25)),
        min_pieces=rng.choice((0, 0, 0, 0, 2)),
        tenders=rng.choice((frozenset(),) * 8 + (frozenset({"cash"}), frozenset({"card"}))),
        limits=rng.choice((Limits(), Limits(), Limits(store_day=2))),
    )
    funding = rng.choice((Funding(), Funding(700, 300), Funding(333, 333, 334)))
    offer = Offer(random_benefit(rng), random_items(rng), conditions, stacking, funding)
    return Presented(
        ("acme", number, 0),
        offer,
        rng.choice(("CNY",) * 29 + ("EUR",)),
        20_000 + rng.randint(0, 3),
        rng.choice((None, None, None, 4)),
        rng.choice((0, 8, 40)),
        uses=Uses(store_day=rng.choice((0, 1))),
    )


def random_items(rng: Random) -> Items:
    return rng.choice(
        (
            EVERYTHING,
            EVERYTHING,
            EVERYTHING,
            EVERYTHING,
            Items(skus=frozenset(rng.sample(SKUS, 2))),
            Items(categories=frozenset({"drinks"})),
            Items(brands=frozenset({"oak"}), not_skus=frozenset({"B"})),
            Items(not_categories=frozenset({"cakes"})),
        )
    )


def random_change(rng: Random) -> Change:
    return rng.choice(
        (
            Change(percent=rng.choice((33, 50, 100))),
            Change(off_minor=rng.randint(1, 9)),
            Change(price_minor=rng.randint(0, 9)),
        )
    )


def random_benefit(rng: Random) -> Benefit:
    cap = rng.choice((3, 12, 100))
    gift = Gift(frozenset(rng.sample(SKUS, rng.choice((1, 2)))), rng.choice((4, 12)), rng.choice((1, 2)))
    first, off = rng.choice((0, 8, 20)), rng.choice((3, 5))
    steps = (AmountStep(first, off), AmountStep(first + 10, off + 6))
    sets = rng.choice((1, 2, 9))
    item = Item(random_change(rng), cap, rng.choice((0, 1, 2)), rng.choice(tuple(Which)))
    target = Items(skus=frozenset(rng.sample(SKUS, rng.choice((1, 2)))))
    beside = replace(item, target=target, pieces=rng.choice((1, 2)), times=rng.choice((1, 2)))
    return rng.choice(
        (
            AmountOff(steps[: rng.choice((1, 2))]),
            AmountOff((AmountStep(first or 7, off),), True, cap),
            PercentOff((PercentStep(1, rng.choice((5, 20, 100))),), cap),
            PercentOff((PercentStep(2, 10), PercentStep(3, 25)), cap),
            SetOff(rng.choice((1, 2, 3)), 1, random_change(rng), cap, rng.random() < 0.3, sets),
            SetOff(3, 2, random_change(rng), cap, rng.random() < 0.3, sets),
            SetPrice(rng.choice((2, 3)), rng.choice((0, 9, 20)), cap, sets),
            item,
            replace(beside, every_pieces=0, times=1),
            replace(beside, every_pieces=rng.choice((1, 2))),
            replace(beside, every_minor=rng.choice((10, 20))),
            gift,
            StoredValue(rng.choice((5, 100)), rng.random() < 0.3),
            PointsSpend(10, rng.choice((1, 3)), cap, rng.choice((50, 100))),
            PointsMultiplier(200),
            Pickup(rng.choice((None, gift))),
            Attribution(),
        )
    )
