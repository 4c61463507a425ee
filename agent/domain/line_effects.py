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
        return Objection(Reason.NOTHING_LEFT)
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
    if objection := minimum(one, spend, pieces=rule.steps[0].pieces):
        return objection
    pieces = one.counted_pieces
    reached = sum(1 for step in rule.steps if pieces >= step.pieces)
    percent = rule.steps[reached - 1].percent
    left = left_of(one, state)
    amount = min(spend * percent // 100, one.cap_minor, left)
    if not amount:
        # Below this, rounding leaves nothing off.
        missing = -(-100 // percent) - spend
        return Objection(Reason.SPEND_MISSING, missing) if missing > 0 else Objection(Reason.NOTHING_LEFT)
    hint = None
    if reached < len(rule.steps) and amount < one.cap_minor:
        following = rule.steps[reached]
        hint = Hint(missing_pieces=following.pieces - pieces, then_percent=following.percent)
    return _off_lines(one, state, amount, hint=hint)


def stored_value(rule: StoredValue, one: Candidate, state: State) -> Effect | Objection:
    if objection := minimum(one, spend_of(one, state)):
        return objection
    balance = min(one.coupon.balance_minor, one.cap_minor)
    if balance <= 0:
        return Objection(Reason.BALANCE_EMPTY)
    left = left_of(one, state)
    if not left:
        return Objection(Reason.NOTHING_LEFT)
    if rule.whole and left < balance:
        return Objection(Reason.SPEND_MISSING, missing_minor=balance - left)
    return _off_lines(one, state, min(balance, left))


def points_spend(rule: PointsSpend, one: Candidate, state: State) -> Effect | Objection:
    if objection := minimum(one, spend_of(one, state)):
        return objection
    if one.facts.member is None:
        return Objection(Reason.MEMBER_NEEDED)
    if state.points < rule.points:
        return Objection(Reason.POINTS_MISSING, missing_points=rule.points - state.points)
    left = left_of(one, state)
    units = min(
        state.points // rule.points, min(left * rule.percent_max // 100, one.cap_minor) // rule.worth_minor
    )
    if not units:
        missing = -(-rule.worth_minor * 100 // rule.percent_max) - left
        return Objection(Reason.SPEND_MISSING, missing) if missing > 0 else Objection(Reason.NOTHING_LEFT)
    spent = units * rule.points
    effect = _off_lines(one, state, units * rule.worth_minor, points_spent=spent)
    return Effect(effect.state._replace(points=state.points - spent), effect.amount_minor, points_spent=spent)


def marked(rule: Benefit, one: Candidate, state: State) -> Effect | Objection:
    return minimum(one, spend_of(one, state)) or Effect(state)
