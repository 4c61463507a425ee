"""A second, slow and simple pricing of baskets, written from docs/campaigns.md: piece by piece, every combination.

It shares the typed rules and the conditions without prices with the engine, and no line of its arithmetic: pieces are
single, shares are fractions, and no combination is left out. `pricing_check` compares the two.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations
from math import floor
from typing import Any

from agent.domain.basket import Basket
from agent.domain.benefit import (
    EVERYTHING,
    AmountOff,
    Attribution,
    Change,
    Gift,
    Item,
    Items,
    PercentOff,
    Pickup,
    PointsMultiplier,
    PointsSpend,
    SetOff,
    SetPrice,
    StoredValue,
    Which,
    exposure_minor,
)
from agent.domain.eligibility import Facts, Presented, objection_to
from agent.domain.objection import Key
from agent.domain.offer import Base, Mode


@dataclass
class Piece:
    line: int
    full: int
    left: int
    taken: bool = False


@dataclass
class Found:
    """What one combination comes to: for each coupon what comes off each line, and what is handed over."""

    shares: dict[Key, dict[str, int]]
    handed: dict[Key, int]
    points: dict[Key, int]
    worth: int = 0
    paid: int = 0


class Sale:
    """The pieces on the counter while one combination is counted."""

    def __init__(self, basket: Basket, facts: Facts) -> None:
        self.lines = sorted(basket.lines, key=lambda one: (one.sku, one.unit_price_minor, one.line))
        self.known = basket.lines_known
        self.facts = facts
        self.points = facts.member.points if facts.member else 0
        self.pieces: list[Piece] = []
        for place, line in enumerate(self.lines):
            for number in range(line.quantity):
                price = line.amount_minor // line.quantity + (number < line.amount_minor % line.quantity)
                self.pieces.append(Piece(place, price, price))

    def holding(self, items: Items) -> list[Piece]:
        return [piece for piece in self.pieces if items.hold(self.lines[piece.line])]

    def of_line(self) -> list[int]:
        return [sum(p.left for p in self.pieces if p.line == place) for place in range(len(self.lines))]


def largest_remainder(amount: int, weights: Sequence[int]) -> list[int]:
    if not amount:
        return [0] * len(weights)
    exact = [Fraction(amount * weight, sum(weights)) for weight in weights]
    shares = [floor(one) for one in exact]
    order = sorted(range(len(weights)), key=lambda place: (shares[place] - exact[place], place))
    for place in order[: amount - sum(shares)]:
        shares[place] += 1
    return shares


def cut_lines(sale: Sale, pieces: list[Piece], amount: int) -> None:
    """The amount off these pieces' lines: over tax classes, over lines, over pieces."""
    classes = sorted({sale.lines[piece.line].tax_class for piece in pieces})
    groups = [[p for p in pieces if sale.lines[p.line].tax_class == name] for name in classes]
    for group, part in zip(groups, largest_remainder(amount, [value(one) for one in groups]), strict=True):
        places = sorted({piece.line for piece in group})
        lines = [[p for p in group if p.line == place] for place in places]
        for line, share in zip(lines, largest_remainder(part, [value(one) for one in lines]), strict=True):
            line.sort(key=lambda piece: (-piece.full, -piece.left, piece.taken))
            for piece, off in zip(line, largest_remainder(share, [p.left for p in line]), strict=True):
                piece.left -= off


def value(pieces: Iterable[Piece]) -> int:
    return sum(piece.left for piece in pieces)


class Counting:
    """One coupon on the counter: its lines, its prices and its cap."""

    def __init__(self, coupon: Presented, sale: Sale) -> None:
        offer, benefit = coupon.offer, coupon.offer.benefit
        self.coupon, self.sale = coupon, sale
        self.original = offer.stacking.base is Base.ORIGINAL
        self.cap = exposure_minor(benefit)
        if coupon.value_minor is not None:
            self.cap = min(self.cap, coupon.value_minor)
        self.target = self.counted = sale.holding(offer.items)
        gift = benefit.gift if isinstance(benefit, Pickup) else benefit
        other = gift.target if isinstance(gift, Item) else None
        if isinstance(gift, Gift):
            other = Items(skus=gift.skus)
        if other is not None:
            self.target = sale.holding(other)
            self.counted = [one for one in self.counted if all(one is not piece for piece in self.target)]
        self.spend = sum(self.price(piece) for piece in self.counted)

    def price(self, piece: Piece) -> int:
        return piece.full if self.original else piece.left

    def off(self, change: Change, piece: Piece) -> int:
        price = self.price(piece)
        if change.price_minor is not None:
            return min(piece.left, max(0, price - change.price_minor))
        if change.off_minor:
            return min(piece.left, price, change.off_minor)
        return min(piece.left, floor(Fraction(price * change.percent, 100)))

    def ranked(self, pieces: Iterable[Piece], which: Which = Which.DEAREST) -> list[Piece]:
        sign = 1 if which is Which.CHEAPEST else -1
        in_lines = sorted((one for one in pieces if not one.taken), key=lambda one: (-one.full, -one.left))
        return sorted(in_lines, key=lambda one: (sign * self.price(one), sign * one.left, one.line))

    def take(self, wanted: Iterable[tuple[Piece, int]]) -> Counted:
        room = self.cap
        for piece, off in wanted:
            piece.left -= min(off, room)
            piece.taken = True
            room -= min(off, room)
        return (self.cap - room, 0, 0) if room < self.cap else None

    def take_lines(self, wanted: int, points: int = 0) -> Counted:
        off = min(wanted, self.cap, value(self.target))
        cut_lines(self.sale, self.target, off)
        return (off, 0, points) if off else None


Counted = tuple[int, int, int] | None
"""What comes off, pieces handed over, points spent; None where the coupon does not count."""


def amount_off(rule: AmountOff, on: Counting) -> Counted:
    reached = [step for step in rule.steps if on.spend >= step.from_minor]
    if not reached:
        return None
    times = on.spend // reached[-1].from_minor if rule.repeating else 1
    return on.take_lines(times * reached[-1].off_minor)


def percent_off(rule: PercentOff, on: Counting) -> Counted:
    percents = [step.percent for step in rule.steps if len(on.counted) >= step.pieces]
    return on.take_lines(floor(Fraction(on.spend * percents[-1], 100))) if percents else None


def set_off(rule: SetOff, on: Counting) -> Counted:
    groups = [on.ranked(on.target)]
    if rule.same_article:
        names = [(-piece.full, on.sale.lines[piece.line].sku) for piece in on.target]
        groups = [
            on.ranked(piece for piece, its in zip(on.target, names, strict=True) if its == name)
            for name in sorted(set(names))
        ]
    wanted: list[tuple[Piece, int]] = []
    for one in [one for group in groups for one in chunks(group, rule.pieces)][: rule.sets_max]:
        at_full_price = rule.pieces - rule.off_pieces
        wanted += [(piece, 0) for piece in one[:at_full_price]]
        wanted += [(piece, on.off(rule.change, piece)) for piece in one[at_full_price:]]
    return on.take(wanted)


def set_price(rule: SetPrice, on: Counting) -> Counted:
    wanted: list[tuple[Piece, int]] = []
    for one in chunks(on.ranked(on.target), rule.pieces)[: rule.sets_max]:
        off = min(sum(on.price(piece) for piece in one) - rule.price_minor, value(one))
        if off > 0:
            wanted += zip(one, largest_remainder(off, [piece.left for piece in one]), strict=True)
    return on.take(wanted)


def item(rule: Item, on: Counting) -> Counted:
    times = 1
    if rule.every_minor:
        times = min(rule.times, on.spend // rule.every_minor)
    elif rule.every_pieces:
        untaken = [piece for piece in on.counted if not piece.taken]
        times = min(rule.times, len(untaken) // rule.every_pieces)
    wanted = [(piece, on.off(rule.change, piece)) for piece in on.ranked(on.target, rule.which)]
    wanted = [(piece, off) for piece, off in wanted if off]
    if rule.pieces:
        wanted = wanted[: times * rule.pieces]
    if rule.every_pieces:
        bought = -(-len(wanted) // rule.pieces) * rule.every_pieces
        wanted += [(piece, 0) for piece in on.ranked(on.counted, Which.CHEAPEST)[:bought]]
    return on.take(wanted)


def gift(rule: Gift, on: Counting) -> Counted:
    here = [piece for piece in on.ranked(on.target) if piece.left][: rule.pieces]
    off, _, _ = on.take((piece, min(piece.left, rule.value_minor)) for piece in here) or (0, 0, 0)
    rest = rule.pieces - len(here) if rule.skus - on.sale.facts.out_of_stock else 0
    return (off, rest, 0) if off or rest else None


def pickup(rule: Pickup, on: Counting) -> Counted:
    return (gift(rule.gift, on) if rule.gift else None) or (0, 0, 0)


def stored_value(rule: StoredValue, on: Counting) -> Counted:
    balance, left = min(on.coupon.balance_minor, on.cap), value(on.target)
    return None if balance <= 0 or (rule.whole and left < balance) else on.take_lines(balance)


def points_spend(rule: PointsSpend, on: Counting) -> Counted:
    if on.sale.facts.member is None:
        return None
    room = min(floor(Fraction(value(on.target) * rule.percent_max, 100)), on.cap)
    units = min(room // rule.worth_minor, on.sale.points // rule.points)
    on.sale.points -= units * rule.points
    return on.take_lines(units * rule.worth_minor, units * rule.points)


def marked(rule: Any, on: Counting) -> Counted:
    return 0, 0, 0


KINDS: dict[type[Any], Callable[[Any, Counting], Counted]] = {
    AmountOff: amount_off,
    PercentOff: percent_off,
    SetOff: set_off,
    SetPrice: set_price,
    Item: item,
    Gift: gift,
    Pickup: pickup,
    StoredValue: stored_value,
    PointsSpend: points_spend,
    PointsMultiplier: marked,
    Attribution: marked,
}


def count_coupon(coupon: Presented, sale: Sale) -> Counted:
    """Count one coupon; the sale is changed."""
    on, benefit, asked = Counting(coupon, sale), coupon.offer.benefit, coupon.offer.conditions
    need = asked.min_pieces
    if isinstance(benefit, SetPrice):
        need = max(need, benefit.pieces)
    if not on.counted and coupon.offer.items != EVERYTHING:
        return None
    if len(on.counted) < need or on.spend < asked.min_spend_minor:
        return None
    return KINDS[type(benefit)](benefit, on)


def chunks(pieces: list[Piece], size: int) -> list[list[Piece]]:
    return [pieces[start : start + size] for start in range(0, len(pieces) - size + 1, size)]


def order(coupon: Presented) -> Any:
    benefit = coupon.offer.benefit
    payment = 1 if isinstance(benefit, PointsSpend) else 2 if isinstance(benefit, StoredValue) else 0
    whole_lines = not isinstance(benefit, SetOff | SetPrice | Item | Gift | Pickup)
    return payment, coupon.offer.stacking.priority, whole_lines, coupon.key


def together(coupons: Sequence[Presented]) -> bool:
    stacked = [c for c in coupons if not isinstance(c.offer.benefit, StoredValue | Pickup | Attribution)]
    for one, two in combinations(stacked, 2):
        for mine, other in (
            (one.offer.stacking, two.offer.stacking),
            (two.offer.stacking, one.offer.stacking),
        ):
            if mine.mode is Mode.EXCLUSIVE:
                return False
            if mine.mode is Mode.GROUPS and other.group not in mine.beside:
                return False
    if len(stacked) > 1 and any(len(stacked) > c.offer.stacking.together_max for c in stacked):
        return False
    for coupon in coupons:
        same = sum(1 for other in coupons if other.key[:2] == coupon.key[:2])
        limits, uses = coupon.offer.conditions.limits, coupon.uses
        rooms = [coupon.offer.stacking.per_sale]
        rooms += [
            limit - used
            for limit, used in (
                (limits.member_day, uses.member_day),
                (limits.member_month, uses.member_month),
                (limits.store_day, uses.store_day),
                (limits.till_day, uses.till_day),
            )
            if limit
        ]
        if same > 1 and same > min(rooms):
            return False
    return True


def count_all(basket: Basket, coupons: Sequence[Presented], facts: Facts) -> Found | None:
    """One combination; None where one of it does not count."""
    sale = Sale(basket, facts)
    found = Found({}, {}, {})
    for coupon in sorted(coupons, key=order):
        before = sale.of_line()
        counted = count_coupon(coupon, sale)
        if counted is None:
            return None
        off, handed, points = counted
        shares = {
            line.line: had - has
            for line, had, has in zip(sale.lines, before, sale.of_line(), strict=True)
            if had > has
        }
        found.shares[coupon.key], found.handed[coupon.key], found.points[coupon.key] = shares, handed, points
        benefit = coupon.offer.benefit
        gift = benefit.gift if isinstance(benefit, Pickup) else benefit
        if isinstance(benefit, StoredValue | PointsSpend):
            found.paid += off
        else:
            found.worth += off + (handed * gift.value_minor if isinstance(gift, Gift) else 0)
    return found


def best(basket: Basket, presented: Sequence[Presented], facts: Facts) -> Found:
    """The best combination of all that are allowed."""
    blind = [] if basket.lines_known else [c for c in presented if needs_lines(c)]
    usable = [
        coupon
        for coupon in presented
        if coupon not in blind and coupon.currency == basket.currency and objection_to(coupon, facts) is None
    ]
    ranked: list[tuple[Any, Found]] = []
    for size in range(len(usable) + 1):
        for combination in combinations(usable, size):
            if together(combination) and (found := count_all(basket, combination, facts)):
                marks = sum(
                    1 for c in combination if not (sum(found.shares[c.key].values()) or found.handed[c.key])
                )
                rank = (
                    -found.worth,
                    -found.paid,
                    -marks,
                    size,
                    sorted(c.expires for c in combination),
                    sorted(found.shares),
                )
                ranked.append((rank, found))
    return min(ranked, key=lambda one: one[0])[1]


def needs_lines(coupon: Presented) -> bool:
    offer = coupon.offer
    pieces = isinstance(offer.benefit, PercentOff) and any(step.pieces > 1 for step in offer.benefit.steps)
    kinds = isinstance(offer.benefit, SetOff | SetPrice | Item)
    return bool(pieces or kinds or offer.items != EVERYTHING or offer.conditions.min_pieces)
