"""What coupons do to whole lines: an amount, a percentage, stored value or points spread over the eligible ones.

Each function takes what is left of every piece and answers with an `Effect`, or with the `Objection` why the coupon
does not count. Nothing ever costs less than zero, no coupon gives more than its cap, none is used up for nothing.
"""

from __future__ import annotations

from typing import Any

from agent.domain.benefit import AmountOff, Benefit, PercentOff, PointsSpend, StoredValue
from agent.domain.candidate import Candidate, Effect, Hint, left_of, minimum, spend_of
from agent.domain.lots import State, take_amount
from agent.domain.objection import Objection, Reason


def _off_lines(one: Candidate, state: State, amount: int, **more: Any) -> Effect:
    return Effect(take_amount(state, one.target, amount), amount, **more)


def amount_off(rule: AmountOff, one: Candidate, state: State) -> Effect | Objection:
    spend = spend_of(one, state)
    least = max(rule.steps[0].from_minor, 1)
    if objection := minimum(one, spend, from_minor=least):
        return objection
    reached = sum(1 for step in rule.steps if spend >= step.from_minor)
    step = rule.steps[reached - 1]
    off = step.off_minor * (spend // step.from_minor) if rule.repeating else step.off_minor
    amount = min(off, one.cap_minor, left_of(one, state))
    if not amount:
        return Objection(Reason.NOTHING_CHEAPER)
    hint = None
    if rule.repeating and off < one.cap_minor:
        more = step.from_minor - spend % step.from_minor
        hint = Hint(missing_minor=more, then_minor=min(off + step.off_minor, one.cap_minor))
    elif reached < len(rule.steps) and off < one.cap_minor:
        following = rule.steps[reached]
        hint = Hint(following.from_minor - spend, then_minor=min(following.off_minor, one.cap_minor))
    return _off_lines(one, state, amount, hint=hint)


def percent_off(rule: PercentOff, one: Candidate, state: State) -> Effect | Objection:
    spend = spend_of(one, state)
    reached = max(sum(1 for step in rule.steps if one.counted_pieces >= step.pieces), 1)
    percent = rule.steps[reached - 1].percent
    least = -(-100 // percent)  # below it, rounding leaves nothing off
    if objection := minimum(one, spend, from_minor=least, pieces=rule.steps[0].pieces):
        return objection
    amount = min(spend * percent // 100, one.cap_minor, left_of(one, state))
    if not amount:
        return Objection(Reason.NOTHING_CHEAPER)
    hint = None
    if reached < len(rule.steps) and amount < one.cap_minor:
        following = rule.steps[reached]
        hint = Hint(missing_pieces=following.pieces - one.counted_pieces, then_percent=following.percent)
    return _off_lines(one, state, amount, hint=hint)


def stored_value(rule: StoredValue, one: Candidate, state: State) -> Effect | Objection:
    balance = min(one.coupon.balance_minor, one.cap_minor)
    if objection := _payable(one, state, balance if rule.whole else 1):
        return objection
    if balance <= 0:
        return Objection(Reason.BALANCE_EMPTY)
    return _off_lines(one, state, min(balance, left_of(one, state)))


def points_spend(rule: PointsSpend, one: Candidate, state: State) -> Effect | Objection:
    if one.facts.member is None:
        return Objection(Reason.MEMBER_NEEDED)
    if objection := _payable(one, state, -(-rule.worth_minor * 100 // rule.percent_max)):
        return objection
    if missing := max(rule.points - state.points, 0):
        member = one.facts.member
        if missing <= member.points_kept:
            return Objection(Reason.POINTS_LIMIT, detail=member.points_limit)
        return Objection(Reason.POINTS_MISSING, missing_points=missing - member.points_kept)
    room = min(left_of(one, state) * rule.percent_max // 100, one.cap_minor)
    units = min(state.points // rule.points, room // rule.worth_minor)
    if not units:  # a personal value below the worth of one unit
        return Objection(Reason.NOTHING_CHEAPER)
    spent = units * rule.points
    left = take_amount(state, one.target, units * rule.worth_minor)
    return Effect(left._replace(points=state.points - spent), units * rule.worth_minor, points_spent=spent)


def _payable(one: Candidate, state: State, least: int) -> Objection | None:
    """The minimum, and that at least so much is left to pay."""
    spend = spend_of(one, state)
    return minimum(one, spend, from_minor=spend + max(least - left_of(one, state), 0))


def marked(rule: Benefit, one: Candidate, state: State) -> Effect | Objection:
    return minimum(one, spend_of(one, state)) or Effect(state)
