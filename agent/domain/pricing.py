"""What a sale costs with coupons: the best allowed combination for the customer, spread exactly over the lines.

Pure, in integers, and the same whatever was scanned first. docs/campaigns.md says the same in words:

1. Coupons that do not count here, now, for this customer or for this basket alone are set aside, with their reason.
2. Of those left at most COUNTED_MAX are weighed, those that give most alone; every combination of them that their
   stacking rules allow is tried. Within one, coupons are counted one after another: by priority, then those on pieces
   before those on whole lines, then by identity; points and, last, stored value pay what is left.
3. The best one gives the customer most: the largest discount (a gift counts with its value), then most paid by points
   and stored value, then most marks (points multiplier, pickup, attribution), then fewest coupons used up, then those
   that expire first, then the lowest identities.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from agent.domain import line_effects, piece_effects
from agent.domain.basket import Basket, spread
from agent.domain.benefit import (
    EVERYTHING,
    AmountOff,
    Attribution,
    Benefit,
    Gift,
    Item,
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
from agent.domain.candidate import Candidate, Effect, HandOver, Hint, candidate
from agent.domain.eligibility import Facts, Presented, left_in_sale, objection_to
from agent.domain.lots import State, opened
from agent.domain.objection import Key, Objection, Reason
from agent.domain.offer import PARTIES, Funding

PRESENTED_MAX = 32
"""Coupons that one sale may present."""
COUNTED_MAX = 8
"""Coupons that are weighed against one another: 256 combinations."""

# The rule is of the type that stands before it.
_APPLY: Mapping[type[Benefit], Callable[[Any, Candidate, State], Effect | Objection]] = {
    AmountOff: line_effects.amount_off,
    PercentOff: line_effects.percent_off,
    SetOff: piece_effects.set_off,
    SetPrice: piece_effects.set_price,
    Item: piece_effects.item,
    Gift: piece_effects.gift,
    StoredValue: line_effects.stored_value,
    PointsSpend: line_effects.points_spend,
    PointsMultiplier: line_effects.marked,
    Pickup: piece_effects.pickup,
    Attribution: line_effects.marked,
}
_ON_PIECES = (SetOff, SetPrice, Item, Gift, Pickup)
_PAYMENTS: Mapping[type[Benefit], int] = {PointsSpend: 1, StoredValue: 2}
_BYSTANDERS = (StoredValue, Pickup, Attribution)
"""They take nothing from anybody's offer, so no stacking rule keeps them out and they keep out nobody."""
_LESS_LEFT = frozenset({Reason.SPEND_MISSING, Reason.PIECES_MISSING, Reason.NOTHING_CHEAPER})
"""What a coupon that counts alone may lack beside others. More basket may feed the others first: no amount is named."""


class Share(NamedTuple):
    """What one line carries of one coupon. funded_minor: who pays it, in the order of PARTIES; sums to the amount."""

    line: str
    amount_minor: int
    funded_minor: tuple[int, ...]


class Applied(NamedTuple):
    """A coupon that counts. amount_minor: what comes off, the sum of its shares (lines without one are left out).

    payment: points or stored value, which pay and are no discount. hand_over_minor: what the goods that are handed over
    besides are worth. points_percent: 100 for usual. if_tenders: it counts
    only if the sale is paid with these and no others; empty for any.
    """

    key: Key
    amount_minor: int
    shares: tuple[Share, ...]
    payment: bool
    hand_over: HandOver | None
    hand_over_minor: int
    points_spent: int
    points_percent: int
    hint: Hint | None
    if_tenders: frozenset[str]


@dataclass(frozen=True, slots=True)
class Refused:
    """A coupon that does not count and stays unused."""

    key: Key
    objection: Objection


@dataclass(frozen=True, slots=True)
class Quote:
    """total_minor - discount_minor - paid_minor = due_minor. applied: in the order of counting."""

    currency: str
    total_minor: int
    discount_minor: int
    paid_minor: int
    due_minor: int
    applied: tuple[Applied, ...]
    refused: tuple[Refused, ...]


class _Step(NamedTuple):
    one: Candidate
    effect: Effect


def quote(basket: Basket, presented: Sequence[Presented], facts: Facts) -> Quote:
    """The price of the basket with these coupons. No side effect; ValueError above PRESENTED_MAX coupons."""
    if len(presented) > PRESENTED_MAX:
        raise ValueError(f"{len(presented)} coupons; a sale presents at most {PRESENTED_MAX}")
    basket, start = _laid_out(basket, facts)
    usable, refused = _usable([candidate(one, basket, facts) for one in sorted(presented, key=_order)], start)
    chosen = _Search(usable).best(start)
    for step in usable:
        if not any(step.one is other.one for other in chosen):
            objection = _why_not(step.one, [other.one for other in chosen], start)
            refused.append(Refused(step.one.coupon.key, objection))
    applied = tuple(_applied(chosen, start, basket))
    discount = sum(one.amount_minor for one in applied if not one.payment)
    paid = sum(one.amount_minor for one in applied if one.payment)
    total = basket.total_minor
    refused.sort(key=lambda one: (one.key, one.objection.reason is Reason.PRESENTED_TWICE))
    return Quote(basket.currency, total, discount, paid, total - discount - paid, applied, tuple(refused))


def quote_one(basket: Basket, coupon: Presented, facts: Facts) -> Applied | Objection:
    """What `quote` says of a single coupon, without a search."""
    basket, start = _laid_out(basket, facts)
    one = candidate(coupon, basket, facts)
    effect = _alone(one, start)
    if isinstance(effect, Objection):
        return effect
    return next(iter(_applied((_Step(one, effect),), start, basket)))


def _laid_out(basket: Basket, facts: Facts) -> tuple[Basket, State]:
    """The lines in the order in which equal remainders are decided, and what is left of them before any coupon."""
    points = facts.member.points if facts.member else 0
    if len(basket.lines) < 2:  # nothing to put in order, and a shopper waits
        return basket, opened(basket.lines, points)
    ordered = sorted(basket.lines, key=lambda line: (line.sku, line.unit_price_minor, line.line))
    return replace(basket, lines=tuple(ordered)), opened(ordered, points)


def _apply(one: Candidate, state: State) -> Effect | Objection:
    return _APPLY[type(one.benefit)](one.benefit, one, state)


def _order(coupon: Presented) -> tuple[int, int, bool, Key]:
    """Who is counted first."""
    benefit = coupon.offer.benefit
    phase = _PAYMENTS.get(type(benefit), 0)
    return phase, coupon.offer.stacking.priority, not isinstance(benefit, _ON_PIECES), coupon.key


def _usable(candidates: Iterable[Candidate], start: State) -> tuple[list[_Step], list[Refused]]:
    """The coupons that count alone, in the order of counting, with what they do alone; and the others."""
    usable: list[_Step] = []
    refused: list[Refused] = []
    seen: set[Key] = set()
    for one in candidates:
        answer = Objection(Reason.PRESENTED_TWICE) if one.coupon.key in seen else _alone(one, start)
        seen.add(one.coupon.key)
        if isinstance(answer, Objection):
            refused.append(Refused(one.coupon.key, answer))
        else:
            usable.append(_Step(one, answer))
    best_first = sorted(
        usable, key=lambda step: (-_worth(step), -step.effect.amount_minor, _order(step.one.coupon))
    )
    for step in best_first[COUNTED_MAX:]:
        refused.append(Refused(step.one.coupon.key, Objection(Reason.TOO_MANY)))
        usable.remove(step)
    return usable, refused


def _alone(one: Candidate, start: State) -> Effect | Objection:
    if one.coupon.currency != one.basket.currency:
        return Objection(Reason.WRONG_CURRENCY, detail=one.coupon.currency)
    return objection_to(one.coupon, one.facts) or _blind(one) or _apply(one, start)


def _blind(one: Candidate) -> Objection | None:
    """An offer about articles or pieces cannot be judged by a total alone."""
    offer, benefit = one.coupon.offer, one.benefit
    asks = offer.items != EVERYTHING or offer.conditions.min_pieces
    asks = asks or isinstance(benefit, SetOff | SetPrice | Item)
    if isinstance(benefit, PercentOff):
        asks = asks or benefit.steps[-1].pieces > 1
    return Objection(Reason.LINES_NEEDED) if asks and not one.basket.lines_known else None


def _worth(step: _Step) -> int:
    """What the customer gains; what points and stored value pay was the customer's before."""
    return (
        0 if type(step.one.benefit) in _PAYMENTS else step.effect.amount_minor + step.effect.hand_over_minor
    )


def _score(chosen: Sequence[_Step]) -> tuple[Any, ...]:
    """The least is the best: the module's head says in which order."""
    worth = sum(_worth(step) for step in chosen)
    paid = sum(step.effect.amount_minor for step in chosen if type(step.one.benefit) in _PAYMENTS)
    marks = sum(1 for step in chosen if not (step.effect.amount_minor or step.effect.hand_over_minor))
    expiries = tuple(sorted(step.one.coupon.expires for step in chosen))
    keys = tuple(sorted(step.one.coupon.key for step in chosen))
    return -worth, -paid, -marks, len(chosen) - marks, expiries, keys


class _Search:
    """All allowed combinations, as a tree: the first coupon counted or not, the second counted or not, ...

    A branch is left when even the most that its coupons can give is less than the best found.
    """

    def __init__(self, alone: Sequence[_Step]) -> None:
        self._candidates = [step.one for step in alone]
        bounds = [_most(step) for step in alone]
        self._most_from = [sum(bounds[place:]) for place in range(len(bounds) + 1)]
        self._best: tuple[tuple[Any, ...], tuple[_Step, ...]] = (_score(()), ())

    def best(self, start: State) -> tuple[_Step, ...]:
        self._try(0, start, (), 0)
        return self._best[1]

    def _try(self, place: int, state: State, chosen: tuple[_Step, ...], worth: int) -> None:
        if worth + self._most_from[place] < -self._best[0][0]:
            return
        if place == len(self._candidates):
            self._best = min(self._best, (_score(chosen), chosen), key=lambda found: found[0])
            return
        one = self._candidates[place]
        if _conflict(one.coupon, [step.one.coupon for step in chosen]) is None:
            effect = _apply(one, state)
            if isinstance(effect, Effect):
                step = _Step(one, effect)
                self._try(place + 1, effect.state, (*chosen, step), worth + _worth(step))
        self._try(place + 1, state, chosen, worth)


def _most(alone: _Step) -> int:
    """The most that a coupon can give beside others: they leave less to reduce, so what it gives alone.

    But a gift that another coupon has made cheaper may be handed over instead; and of the cheapest pieces another
    coupon may have counted some, so that dearer ones are the cheapest left.
    """
    benefit = alone.one.benefit
    if type(benefit) in _PAYMENTS:
        return 0
    loose = isinstance(benefit, Gift | Pickup) or (
        isinstance(benefit, Item) and benefit.which is Which.CHEAPEST
    )
    return exposure_minor(benefit) if loose else _worth(alone)


def _conflict(coupon: Presented, others: Sequence[Presented]) -> Objection | None:
    """Why the coupon may not stand beside these, by stacking rules alone; it may not stand beside more then either."""
    if isinstance(coupon.offer.benefit, _BYSTANDERS):
        rivals: list[Presented] = []
    else:
        rivals = [other for other in others if not isinstance(other.offer.benefit, _BYSTANDERS)]
    mine = coupon.offer.stacking
    against = [
        rival.key
        for rival in rivals
        if not (mine.goes_with(rival.offer.stacking) and rival.offer.stacking.goes_with(mine))
    ]
    if against:
        return Objection(Reason.NOT_TOGETHER, because=tuple(against), detail="stacking")
    together = [coupon, *rivals]
    if rivals and len(together) > min(one.offer.stacking.together_max for one in together):
        keys = tuple(rival.key for rival in rivals)
        return Objection(Reason.NOT_TOGETHER, because=keys, detail="together_max")
    same = [other for other in others if other.campaign == coupon.campaign]
    if same and len(same) >= min(left_in_sale(one) for one in (coupon, *same)):
        return Objection(Reason.NOT_TOGETHER, because=tuple(one.key for one in same), detail="per_sale")
    return None


def _why_not(one: Candidate, chosen: Sequence[Candidate], start: State) -> Objection:
    """Why a coupon that counts alone is not in the best combination."""
    conflict = _conflict(one.coupon, [other.coupon for other in chosen])
    if conflict:
        return conflict
    because = tuple(other.coupon.key for other in chosen)
    state = start
    for other in sorted((one, *chosen), key=lambda found: _order(found.coupon)):
        effect = _apply(other, state)
        if isinstance(effect, Effect):
            state = effect.state
        elif other is one:
            reason = Reason.TOO_LITTLE_LEFT if effect.reason in _LESS_LEFT else effect.reason
            return replace(effect, reason=reason, missing_minor=0, missing_pieces=0, because=because)
        else:
            return Objection(Reason.BETTER_WITHOUT, because=(other.coupon.key,))
    return Objection(Reason.BETTER_WITHOUT, because=because)


def _applied(chosen: Sequence[_Step], start: State, basket: Basket) -> Iterable[Applied]:
    before = start.left
    for step in chosen:
        coupon, effect = step.one.coupon, step.effect
        after = effect.state.left
        off = {
            line.line: had - has
            for line, had, has in zip(basket.lines, before, after, strict=True)
            if had > has
        }
        assert sum(off.values()) == effect.amount_minor, "the lines' shares sum to what comes off"
        benefit = coupon.offer.benefit
        yield Applied(
            coupon.key,
            effect.amount_minor,
            tuple(funded_shares(off, coupon.offer.funding)),
            type(benefit) in _PAYMENTS,
            effect.hand_over,
            effect.hand_over_minor,
            effect.points_spent,
            benefit.percent if isinstance(benefit, PointsMultiplier) else 100,
            effect.hint,
            coupon.offer.conditions.tenders,
        )
        before = after


def funded_shares(off: Mapping[str, int], funding: Funding) -> Iterable[Share]:
    """Each line's share with who pays it.

    A party's whole is its part of the discount by largest remainder; over the lines one party after another is
    spread by what is left of each line. So lines and parties both sum up exactly.
    """
    permilles = [getattr(funding, party) for party in PARTIES]
    if 1000 in permilles:
        for line, minor in off.items():
            yield Share(line, minor, tuple(minor * permille // 1000 for permille in permilles))
        return
    amount = sum(off.values())
    wholes = spread(amount, [permille * amount for permille in permilles])
    left = list(off.values())
    columns = []
    for whole in wholes:
        column = spread(whole, left)
        left = [had - part for had, part in zip(left, column, strict=True)]
        columns.append(column)
    for place, (line, minor) in enumerate(off.items()):
        yield Share(line, minor, tuple(column[place] for column in columns))
