"""What an issuer can lose by a campaign: the promise it makes, and what copies of its coupons can take beyond it.

A printed code can be copied, and a till without a line cannot know that another till took the copy. So the loss is
bounded by budgets, as EMV terminals do with floor limits, and the bound is a number that can be read before signing.
"""

from __future__ import annotations

from dataclasses import dataclass

from agent.domain.benefit import StoredValue, most_minor
from agent.domain.campaign import Campaign, OfflineClass


@dataclass(frozen=True, slots=True)
class Exposure:
    """Amounts in minor units of the campaign's currency; None: not bounded by anything.

    coupon_minor: the most that one coupon can cost. promise_minor: all coupons, each used as often as it may be;
    a stored value is spent but once, in however many parts.
    till_day_minor, till_offline_minor: the most that one till accepts a day, and from one contact with the cloud to
    the next. day_minor, offline_minor: the same of all tills together. Copies cannot cost more than that.
    """

    coupon_minor: int
    promise_minor: int
    till_day_minor: int | None
    till_offline_minor: int | None
    day_minor: int | None
    offline_minor: int | None


def exposure(
    campaign: Campaign, tills: int, coupons: int | None = None, value_minor: int | None = None
) -> Exposure:
    """The exposure where `tills` may take the coupons. coupons: how many there will be; None for the whole size.
    value_minor: their personal value, None for the offer's.

    Class A costs nothing offline. The budget of any other class holds; without one (class B and D may lack it) a till
    accepts each coupon once, so the bound is what all coupons cost, per till. A coupon of class B names one store,
    so fewer tills than `tills` can take its copies: the bound is on the safe side.
    """
    each = most_minor(campaign.offer.benefit, value_minor)
    uses = (
        1 if isinstance(campaign.offer.benefit, StoredValue) else campaign.uses
    )  # its uses share one balance
    promise = each * (campaign.size if coupons is None else coupons) * uses
    day: int | None
    offline: int | None
    if campaign.offline_class is OfflineClass.ONLINE:
        day = offline = 0
    elif campaign.budget is not None:
        budget = campaign.budget
        day = min(budget.value_day_minor, budget.count_day * each)
        offline = min(budget.value_offline_minor, budget.count_offline * each)
    else:
        day = offline = None
    return Exposure(each, promise, day, offline, _times(day, tills), _times(offline, tills))


def _times(amount: int | None, tills: int) -> int | None:
    return None if amount is None else amount * tills
