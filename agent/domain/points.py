"""What points a sale earns and a return takes back, by the same functions at the till and in the cloud. Pure.

A record says what its points come from (`points_from`), so that nobody has to believe a sum.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agent.domain.basket import share_of_pieces
from agent.domain.benefit import Benefit, PointsMultiplier, PointsSpend
from agent.domain.money import AMOUNT_MAX_MINOR

USUAL_PERCENT = 100


def earned(due_minor: int, earn_minor: int, percent: int, *, first: bool) -> int:
    """Points for what is paid, one for each `earn_minor`; once a sale (first), and each multiplier so much more."""
    more = max(percent - USUAL_PERCENT, 0)
    return due_minor // earn_minor * ((USUAL_PERCENT if first else 0) + more) // USUAL_PERCENT


def percent_of(benefit: Benefit) -> int:
    """How many percent of the usual points a sale earns with it."""
    return benefit.percent if isinstance(benefit, PointsMultiplier) else USUAL_PERCENT


def spent_for(benefit: Benefit, amount_minor: int) -> int | None:
    """The points that pay `amount_minor`; None where it is not a whole number of units."""
    if not isinstance(benefit, PointsSpend):
        return 0
    units, rest = divmod(amount_minor, benefit.worth_minor)
    return None if rest else units * benefit.points


def part_of(points: int, before_minor: int, now_minor: int, all_minor: int, *, whole: bool) -> int:
    """The points that go back with `now_minor` of a discount; with the last part (whole) all that are left."""
    if not all_minor:
        return points if whole else 0
    if whole:
        return points - points * before_minor // all_minor
    return share_of_pieces(points, all_minor, before_minor, now_minor)


def part_fits(points: int, back: int, now_minor: int, all_minor: int, *, whole: bool) -> bool:
    """Whether `back` may be what `part_of` said, whatever went back before: it is less than one off its share."""
    if not all_minor:
        return back == part_of(points, 0, 0, 0, whole=whole)
    return 0 <= back <= points and abs(back * all_minor - points * now_minor) < all_minor


def rate_of(data: Mapping[str, Any]) -> int:
    """What was paid for one point at the till, 0 where no points were earned."""
    source = data.get("points_from")
    rate = source.get("earn_minor") if isinstance(source, dict) else None
    return rate if type(rate) is int and 0 < rate <= AMOUNT_MAX_MINOR else 0


def adds_up(data: Mapping[str, Any]) -> bool:
    """Whether a redemption's earned points are what its own facts give: the sale, what came off, what was paid."""
    said, percent = data.get("points_earned", 0), data.get("points_percent", USUAL_PERCENT)
    source, sale, off = data.get("points_from"), data.get("sale"), data.get("discount_minor")
    if source is None:
        return bool(type(said) is int and said == 0)
    rate = rate_of(data)
    if not rate or not isinstance(sale, dict):
        return False
    due, first = source.get("due_minor"), source.get("first")
    numbers = (said, percent, due, sale.get("total_minor"), off)
    if (
        not all(type(one) is int and 0 <= one <= AMOUNT_MAX_MINOR for one in numbers)
        or type(first) is not bool
    ):
        return False
    return bool(due <= max(sale["total_minor"] - off, 0) and said == earned(due, rate, percent, first=first))
