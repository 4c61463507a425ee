"""Step 3: what a quote costs, and whether the engine agrees with a second one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from agent.domain.basket import Basket, BasketLine
from agent.domain.benefit import (
    AmountOff,
    AmountStep,
    Benefit,
    Change,
    Item,
    Items,
    PercentOff,
    PercentStep,
    SetOff,
)
from agent.domain.eligibility import Facts, Presented
from agent.domain.offer import Conditions, Mode, Offer, Stacking
from agent.domain.pricing import quote
from benchmarks.common import Benchmark, Figure, Options, alone, timed
from tests.unit.pricing_cases import random_case
from tests.unit.pricing_check import difference

LINES = 40
QUOTE_BAR_MS = 5.0
CASES = 20_000
FACTS = Facts(20_784, 660, 12, "M-1")


def _basket() -> Basket:
    """Forty lines of one to four pieces in five categories, seven brands and two tax classes."""
    lines = (
        BasketLine(str(n), f"SKU{n:03}", n % 4 + 1, 199 + 37 * n, 0, f"c{n % 5}", f"b{n % 7}", f"t{n % 2}")
        for n in range(LINES)
    )
    return Basket("CNY", tuple(lines))


def _coupon(number: int, benefit: Benefit, **offer: Any) -> Presented:
    """Any may stand beside any: the most combinations to try."""
    return Presented(
        ("acme", number, 1), Offer(benefit, stacking=Stacking(Mode.JOINT), **offer), "CNY", 20_800 + number
    )


def _coupons() -> list[Presented]:
    """Five kinds of offers, none so small that its cap ends the search."""
    ladder = AmountOff((AmountStep(10_000, 2_000), AmountStep(20_000, 5_000)))
    half = SetOff(2, 1, Change(percent=50), 90_000, sets_max=5)
    add_on = Item(Change(price_minor=100), 90_000, 3, target=Items(brands=frozenset({"b2"})))
    return [
        _coupon(1, ladder),
        _coupon(2, PercentOff((PercentStep(1, 10),), 90_000), conditions=Conditions(min_spend_minor=5_000)),
        _coupon(3, half, items=Items(categories=frozenset({"c1"}))),
        _coupon(4, add_on),
        _coupon(
            5, PercentOff((PercentStep(3, 20),), 90_000), items=Items(categories=frozenset({"c2", "c3"}))
        ),
    ]


def quoting(options: Options) -> Iterator[Figure]:
    """The price of forty lines with five coupons of which all may stand together, and with eight."""
    basket, five = _basket(), _coupons()
    answer = quote(basket, five, FACTS)
    assert len(answer.applied) == 5, "all five count"
    yield alone(
        "03 quote: 40 lines and 5 coupons",
        "ms",
        timed(lambda: quote(basket, five, FACTS)),
        rounds=options.rounds(200),
        bar=QUOTE_BAR_MS,
    )
    more = [_coupon(number, PercentOff((PercentStep(1, number),), 90_000)) for number in (6, 7, 8)]
    eight = [*five, *more]
    yield alone(
        "03 quote: 40 lines and 8 coupons",
        "ms",
        timed(lambda: quote(basket, eight, FACTS)),
        rounds=options.rounds(50),
    )


def oracle(options: Options) -> Iterator[Figure]:
    """Of 20,000 random small sales (a tenth if quick): those that a brute-force pricing answers otherwise."""
    cases = CASES // 10 if options.quick else CASES
    differing = sum(1 for seed in range(cases) if difference(*random_case(seed)))
    yield Figure(
        "03 oracle: sales priced otherwise",
        differing,
        "",
        None,
        None,
        0,
        differing == 0,
        "value",
        0,
        differing,
    )


BENCHMARKS: dict[str, Benchmark] = {"03 quote": quoting, "03 oracle": oracle}
