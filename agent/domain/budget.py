"""What a till may accept of a campaign by itself: how far its budget shrinks, what is left of it, who is asked beyond.

As EMV terminals do with floor limits: a soft cap, past which somebody is asked, and a hard cap, past which nobody may.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from agent.domain.benefit import most_minor
from agent.domain.bundle import Age
from agent.domain.campaign import Budget, Campaign, OfflineClass

DOUBT_PERCENT = 25
"""The share of its budget that a till keeps while its clock is in doubt."""


class BudgetUse(NamedTuple):
    """What this till accepted of one campaign: today, and since it last reached the cloud."""

    count_day: int = 0
    value_day_minor: int = 0
    count_offline: int = 0
    value_offline_minor: int = 0

    def plus(self, count: int, value_minor: int) -> BudgetUse:
        """With so many coupons more that are worth so much together."""
        return BudgetUse(
            self.count_day + count,
            self.value_day_minor + value_minor,
            self.count_offline + count,
            self.value_offline_minor + value_minor,
        )


NOTHING_USED = BudgetUse()


class Room(StrEnum):
    """Whether one coupon more may be accepted."""

    FREE = "free"
    SUPERVISOR = "supervisor"  # past the soft cap: somebody must stand by it
    NONE = "none"  # past the hard cap


def share_percent(campaign: Campaign, age: Age, doubt: str) -> int:
    """What holds of the limits while the bundle is so old and the clock in such `doubt`; 0: nothing is taken."""
    percent = {Age.FRESH: 100, Age.STALE: campaign.stale_percent, Age.EXPIRED: campaign.expired_percent}[age]
    return min(percent, DOUBT_PERCENT) if doubt else percent


def room_for(campaign: Campaign, used: BudgetUse, charge_minor: int, percent: int) -> Room:
    """Whether one coupon of `charge_minor` may be accepted beside what was `used`, by `percent` of the limits."""
    budget = campaign.budget
    if budget is None:
        return Room.FREE
    after = used.plus(1, charge_minor)
    share = percent * budget.soft_percent
    room = Room.FREE
    for name in LIMITS:
        wanted, limit = getattr(after, name), getattr(budget, name)
        if wanted * 100 > limit * percent:
            return Room.NONE
        if wanted * 10_000 > limit * share:
            room = Room.SUPERVISOR
    return room


LIMITS = BudgetUse._fields
"""The four limits, by the same names in what is used and in what may be."""
assert set(LIMITS) <= set(Budget.__slots__), "each limit is counted"


@dataclass(frozen=True, slots=True)
class Left:
    """What a till may still accept by itself: coupons, and what they can cost together. None: not bounded."""

    count: int | None
    value_minor: int | None


def left_of(campaign: Campaign, used: BudgetUse, percent: int, *, asked: bool = True) -> Left:
    """What is left by `percent` of the limits. asked: with what a supervisor can let through."""
    if campaign.offline_class is OfflineClass.ONLINE or not percent:
        return Left(0, 0)
    budget = campaign.budget
    if budget is None:
        return Left(None, None)
    share = percent * (100 if asked else budget.soft_percent)
    free = {name: max(getattr(budget, name) * share // 10_000 - getattr(used, name), 0) for name in LIMITS}
    count = min(free["count_day"], free["count_offline"])
    value = min(free["value_day_minor"], free["value_offline_minor"])
    return Left(count, min(value, count * most_minor(campaign.offer.benefit, None)))
